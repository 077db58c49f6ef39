"""Reads the chunks of a PNG: what color space it states, which frame a browser shows first, what is damaged.

The rules are those of Chromium. The first of these that is valid says what the values mean: cICP, iCCP, sRGB, gAMA (with
the primaries of cHRM, or those of sRGB); cHRM alone says nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from sge.errors import BrokenImageError
from sge.images.cicp import Space, png_space
from sge.images.profiles import DAMAGED_PROFILE, MAX_PROFILE, OTHER_PROFILE, gamma_space, profile_space

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 100_000
"""A PNG of more chunks is refused; libpng writes pixels in pieces of 8 KiB."""
_GRAY, _RGB, _GRAY_ALPHA = 0, 2, 4


class Chunk(NamedTuple):
    """One chunk; ``data`` is shorter than it should be where the file is cut off."""

    kind: bytes
    data: bytes
    whole: bool
    sound: bool
    """False if its checksum is wrong."""


@dataclass(frozen=True)
class Png:
    """What Pillow should read, and what it does not know."""

    data: bytes
    """A PNG with the shown frame alone, without texts, profile and animation."""
    still: bytes | None = None
    """The stand-in of an animation, to be shown if its first frame is broken; None if ``data`` is no frame of one."""
    canvas: tuple[int, int] = (0, 0)
    """Width and height of the image; what a smaller frame leaves open is transparent."""
    corner: tuple[int, int] = (0, 0)
    """Left and top of the frame."""
    space: Space | None = None
    """What the values mean; None for sRGB. A gray image may have one of RGB."""
    hidden: tuple[int, int, int] | None = None
    """The transparent color of a 16-bit RGB image."""
    exif: bytes | None = None
    late_exif: bool = False
    """True if the EXIF stands after the pixels, where Chromium does not read it."""
    ended: bool = True
    """True if its last chunk (IEND) is there."""
    end: int = 0
    """Offset after the last chunk that was read."""
    notes: tuple[str, ...] = ()


def read_png(data: bytes) -> Png | None:
    """Reads a PNG's chunks; None if it does not begin with a whole header.

    Raises:
        BrokenImageError: more chunks than any program writes.
    """
    chunks = list(islice(_chunks(data), MAX_CHUNKS + 1))
    if len(chunks) > MAX_CHUNKS:
        raise BrokenImageError(
            f"The PNG has more than {MAX_CHUNKS} chunks, which no program writes. Save it again with another one."
        )
    if not chunks or chunks[0].kind != b"IHDR" or not chunks[0].whole or len(chunks[0].data) != 13:
        return None
    before = _before_pixels(chunks)
    notes = []
    if not all(chunk.sound for chunk in chunks if chunk.kind == b"IDAT" and chunk.whole):
        notes.append("A checksum of the PNG's pixels is wrong; some of them may be damaged.")
    depth, color = chunks[0].data[8:10]
    space, space_notes = _space(before, color)
    hidden = None
    if (depth, color) == (16, _RGB) and len(before.get(b"tRNS", b"")) >= 6:
        hidden = struct.unpack(">3H", before[b"tRNS"][:6])
    kept = [_full_palette(chunk, depth) for chunk in chunks if chunk.kind == b"PLTE"]
    kept += [chunk for chunk in chunks if chunk.kind == b"tRNS" and chunk.sound and hidden is None][:1]
    still = _file(chunks[0], kept, [chunk for chunk in chunks if chunk.kind == b"IDAT"])
    exif = next((chunk.data for chunk in chunks if chunk.kind == b"eXIf" and chunk.sound), None)
    frame, frame_notes = _first_frame(chunks, before, kept)
    shown, corner = frame or (still, (0, 0))
    return Png(
        data=shown,
        still=still if frame else None,
        canvas=struct.unpack(">II", chunks[0].data[:8]),
        corner=corner,
        space=space,
        hidden=hidden,
        exif=exif,
        late_exif=b"eXIf" not in before,
        ended=chunks[-1].kind == b"IEND",
        end=len(SIGNATURE) + sum(12 + len(chunk.data) for chunk in chunks),
        notes=(*notes, *space_notes, *frame_notes),
    )


def _chunks(data: bytes) -> Iterator[Chunk]:
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        content = data[at + 8 : at + 8 + length]
        end = at + 12 + length
        whole = end <= len(data)
        sound = whole and zlib.crc32(content, zlib.crc32(kind)) == int.from_bytes(data[end - 4 : end])
        yield Chunk(kind, content, whole, sound)
        if kind == b"IEND":
            return
        at = end


def _before_pixels(chunks: list[Chunk]) -> dict[bytes, bytes]:
    """The first chunk of every kind that stands before the pixels and is whole."""
    found: dict[bytes, bytes] = {}
    for chunk in chunks:
        if chunk.kind == b"IDAT":
            break
        if chunk.whole and chunk.sound:
            found.setdefault(chunk.kind, chunk.data)
    return found


def _file(header: Chunk, kept: list[Chunk], pixels: list[Chunk]) -> bytes:
    """A PNG of these chunks; a wrong checksum stays wrong except in pixels, and a cut chunk stays cut."""
    parts = [SIGNATURE, _packed(header)]
    parts += [_packed(chunk) for chunk in kept if chunk.whole]
    parts += [_packed(chunk, True) for chunk in pixels]
    if not pixels or pixels[-1].whole:
        parts.append(_packed(Chunk(b"IEND", b"", True, True)))
    return b"".join(parts)


def _packed(chunk: Chunk, mended: bool = False) -> bytes:
    if not chunk.whole:
        # The length claims one byte more than there is, so that the decoder knows that something is missing.
        return struct.pack(">I", len(chunk.data) + 1) + chunk.kind + chunk.data
    checksum = zlib.crc32(chunk.data, zlib.crc32(chunk.kind)) ^ (not (chunk.sound or mended))
    return struct.pack(">I", len(chunk.data)) + chunk.kind + chunk.data + struct.pack(">I", checksum)


def _full_palette(palette: Chunk, depth: int) -> Chunk:
    """The palette with its last color for all indices above it, as Chromium shows them."""
    colors = palette.data
    if not palette.sound or not colors or len(colors) % 3 or depth > 8:
        return palette
    return palette._replace(data=colors + colors[-3:] * (2**depth - len(colors) // 3))


def _first_frame(
    chunks: list[Chunk], before: dict[bytes, bytes], kept: list[Chunk]
) -> tuple[tuple[bytes, tuple[int, int]] | None, tuple[str, ...]]:
    """The first frame of an animation that shows its pixels (IDAT) only where animations are unknown.

    Returns:
        The frame as a PNG with its corner, and no notes; or None, with a note if the animation is broken.
    """
    control = before.get(b"acTL", b"")
    if len(control) != 8 or not 0 < int.from_bytes(control[:4]) < 2**31 or b"fcTL" in before:
        return None, ()
    broken = ("The animation is damaged; the still image in the file was used.",)
    starts = [at for at, chunk in enumerate(chunks) if chunk.kind == b"fcTL"]
    if not starts or not chunks[starts[0]].whole or len(chunks[starts[0]].data) != 26:
        return None, broken
    width, height, left, top = struct.unpack(">4I", chunks[starts[0]].data[4:20])
    full_width, full_height = struct.unpack(">II", chunks[0].data[:8])
    inside = left + width <= full_width and top + height <= full_height
    if not (width and height and inside):
        return None, broken
    end = starts[1] if len(starts) > 1 else len(chunks)
    pixels = [
        Chunk(b"IDAT", chunk.data[4:], chunk.whole, chunk.sound)
        for chunk in chunks[starts[0] : end]
        if chunk.kind == b"fdAT"
    ]
    if not pixels:
        return None, broken
    header = Chunk(b"IHDR", struct.pack(">II", width, height) + chunks[0].data[8:], True, True)
    return (_file(header, kept, pixels), (left, top)), ()


def _space(before: dict[bytes, bytes], color: int) -> tuple[Space | None, tuple[str, ...]]:
    """What the values mean, and notes on statements that were ignored."""
    notes: list[str] = []
    if (cicp := before.get(b"cICP")) and len(cicp) == 4 and cicp[2] == 0 and cicp[3] == 1:
        stated = png_space(cicp[0], cicp[1])
        if stated.known:
            return stated.space, stated.notes
        notes.extend(stated.notes)
    if b"iCCP" in before:
        profile = _unpacked(before[b"iCCP"])
        space = profile_space(profile) if profile else None
        if space == ("GRAY" if color in (_GRAY, _GRAY_ALPHA) else "RGB"):
            return profile, ()
        notes.append(DAMAGED_PROFILE if space is None else OTHER_PROFILE)
    if b"sRGB" in before:
        return None, tuple(notes)
    return _gamma_space(before), tuple(notes)


def _unpacked(iccp: bytes) -> bytes | None:
    _, _, rest = iccp.partition(b"\0")
    if rest[:1] != b"\0":
        return None
    try:
        profile = zlib.decompressobj().decompress(rest[1:], MAX_PROFILE)
    except zlib.error:
        return None
    return profile if len(profile) < MAX_PROFILE else None


def _gamma_space(before: dict[bytes, bytes]) -> bytes | None:
    gamma, primaries = before.get(b"gAMA", b""), before.get(b"cHRM", b"")
    if len(gamma) != 4:
        return None
    chromaticity = struct.unpack(">8I", primaries) if len(primaries) == 32 else None
    return gamma_space(
        int.from_bytes(gamma) / 100_000, chromaticity and [value / 100_000 for value in chromaticity]
    )
