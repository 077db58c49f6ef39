"""Files that are legal or nearly so, and whose structure no camera and no program writes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache

from sge.images import StructureLimits
from tests.drawn_images import animation, chunk, claiming, encoded, png, scene

JPEG = encoded(scene(), "JPEG")
FEW = StructureLimits(max_segments=10_000, max_frames=2_000, max_data_blocks=100_000, max_metadata=1 << 20)
"""Limits that the files pass, lower than those of the library so that the files are small."""
MANY, MANY_FRAMES, MANY_DATA_BLOCKS = 11_000, 2_001, 100_001


def segment(marker: int, content: bytes) -> bytes:
    """A JPEG segment."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def in_jpeg(*parts: bytes) -> bytes:
    """A small JPEG with these bytes after its start marker."""
    return JPEG[:2] + b"".join(parts) + JPEG[2:]


def rescanned(scans: int, width: int, height: int) -> bytes:
    """A progressive JPEG that repeats its last scan, with another size in its header."""
    data = bytearray(encoded(scene(), "JPEG", progressive=True))
    at = data.index(b"\xff\xc2") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    last = data.rindex(b"\xff\xda")
    return bytes(data[:-2] + data[last:-2] * scans + data[-2:])


def in_png(*parts: bytes) -> bytes:
    """A small PNG with these chunks after its header."""
    return png(4, 4, 8, 2, [bytes(12)] * 4, *parts)


def in_webp(*parts: bytes, size: tuple[int, int] = (48, 32)) -> bytes:
    """An extended WebP of these chunks."""
    canvas = b"".join(struct.pack("<I", side - 1)[:3] for side in size)
    body = b"WEBP" + riff(b"VP8X", b"\x02\0\0\0" + canvas) + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff(kind: bytes, content: bytes) -> bytes:
    """A chunk of a WebP."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)


def webp_frame(width: int, height: int) -> bytes:
    """One frame of an animation, without pixels."""
    sides = b"".join(struct.pack("<I", side - 1)[:3] for side in (width, height))
    return riff(b"ANMF", bytes(6) + sides + bytes(4))


def in_gif(*parts: bytes, size: tuple[int, int] = (4, 4)) -> bytes:
    """A GIF with these blocks."""
    return b"GIF89a" + struct.pack("<HH", *size) + b"\0\0\0" + b"".join(parts) + b";"


def gif_image(left: int, top: int, width: int, height: int, data: bytes = b"\x02\x02\x44\x01\0") -> bytes:
    """An image block of a GIF."""
    return b"," + struct.pack("<HHHHB", left, top, width, height, 0) + data


def box(kind: bytes, content: bytes) -> bytes:
    """A box of an AVIF."""
    return struct.pack(">I", len(content) + 8) + kind + content


def in_avif(*boxes: bytes) -> bytes:
    """An AVIF whose meta box has these boxes."""
    return box(b"ftyp", b"avif\0\0\0\0mif1avif") + box(b"meta", bytes(4) + b"".join(boxes))


def nested(depth: int) -> bytes:
    """Boxes in boxes."""
    content = b""
    for _ in range(depth):
        content = box(b"ipco", content)
    return content


def sized(width: int, height: int) -> bytes:
    """The properties of an image of that size."""
    return box(b"iprp", box(b"ipco", box(b"ispe", struct.pack(">III", 0, width, height))))


EXIF = segment(0xE1, b"Exif\0\0" + bytes(65_000)) * 7
_TOO_MANY: dict[str, Callable[[], bytes]] = {
    "JPEG exif segments": lambda: in_jpeg(
        segment(0xE1, b"Exif\0\0" + bytes(65000)) * 77, segment(0xE1, b"Exif\0\0x") * MANY
    ),
    "JPEG empty segments": lambda: in_jpeg(segment(0xE7, b"") * MANY),
    "JPEG comments": lambda: in_jpeg(segment(0xFE, b"c") * MANY),
    "JPEG tables": lambda: in_jpeg(segment(0xDB, b"\0" + bytes([1] * 64)) * MANY),
    "JPEG standalone markers": lambda: in_jpeg(b"\xff\x01" * MANY),
    "JPEG segments in its scan": lambda: JPEG[:-2] + segment(0xE7, b"") * MANY + JPEG[-2:],
    "JPEG scans over many pixels": lambda: rescanned(60, 8000, 6000),
    "PNG empty chunks": lambda: in_png(chunk(b"abCd", b"") * MANY),
    "PNG texts": lambda: in_png(chunk(b"tEXt", b"k\0v") * MANY),
    "PNG pixels in single bytes": lambda: in_png(chunk(b"IDAT", b"\0") * MANY),
    "PNG frames": lambda: in_png(chunk(b"acTL", bytes(8)), chunk(b"fcTL", bytes(26)) * MANY_FRAMES),
    "WEBP frames": lambda: in_webp(webp_frame(8, 8) * MANY_FRAMES),
    "WEBP chunks": lambda: in_webp(riff(b"abcd", b"") * MANY),
    "GIF extensions": lambda: in_gif(b"!\xf9\x01\0\0" * MANY),
    "GIF images": lambda: in_gif(gif_image(0, 0, 4, 4) * MANY_FRAMES),
    "GIF data in single bytes": lambda: in_gif(
        gif_image(0, 0, 4, 4, b"\x02" + b"\x01\x44" * MANY_DATA_BLOCKS + b"\0")
    ),
    "AVIF boxes": lambda: in_avif(box(b"free", b"") * MANY),
    "AVIF items": lambda: in_avif(box(b"iinf", bytes(6) + box(b"infe", bytes(12)) * MANY)),
    "AVIF locations": lambda: in_avif(box(b"iloc", bytes(8 + 6 * MANY))),
    "AVIF samples": lambda: (
        in_avif() + box(b"moov", box(b"trak", box(b"stbl", box(b"stsz", bytes(12 + 4 * MANY_FRAMES)))))
    ),
}
_TOO_LARGE: dict[str, Callable[[], bytes]] = {
    "PNG 1 x 50,000,000": lambda: claiming("PNG", 1, 50_000_000),
    "PNG 50,000,000 x 1": lambda: claiming("PNG", 50_000_000, 1),
    "PNG of the largest sides": lambda: claiming("PNG", 2**31 - 1, 2**31 - 1),
    "JPEG of the largest sides": lambda: claiming("JPEG", 65_535, 65_535),
    "GIF of the largest sides": lambda: claiming("GIF", 65_535, 65_535),
    "GIF image beyond its canvas": lambda: in_gif(gif_image(65_000, 65_000, 65_000, 65_000)),
    "WEBP canvas": lambda: in_webp(webp_frame(8, 8), size=(1 << 24, 1 << 24)),
    "WEBP frame beyond its canvas": lambda: in_webp(webp_frame(1 << 24, 1 << 24)),
    "AVIF of the largest sides": lambda: in_avif(sized(2**32 - 1, 2**32 - 1)),
    "AVIF 1 x 40,000,000": lambda: in_avif(sized(1, 40_000_000)),
}
_MUCH_METADATA: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: in_jpeg(segment(0xE1, bytes(65_533)) * 20),
    "PNG": lambda: in_png(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 21), 0))),
    "PNG profile": lambda: in_png(chunk(b"iCCP", b"k\0\0" + bytes(1 << 21))),
    "WEBP": lambda: in_webp(riff(b"XMP ", bytes(1 << 21))),
    "GIF": lambda: in_gif(b"!\xfe" + (b"\xff" + bytes(255)) * 8200 + b"\0"),
    "AVIF": lambda: in_avif(box(b"uuid", bytes(1 << 21))),
}
"""More than a MiB."""
_HARMLESS: dict[str, Callable[[], bytes]] = {
    "JPEG filled with bytes 255": lambda: in_jpeg(b"\xff" * 2_000_000),
    "JPEG that ends in bytes 255": lambda: JPEG[:-2] + b"\xff" * 2_000_000,
    "JPEG with stuffed zeros": lambda: JPEG[:-2] + b"\xff\0" * 1_000_000 + JPEG[-2:],
    "AVIF nested": lambda: in_avif(nested(5000)),
    "AVIF box that holds itself": lambda: in_avif(
        struct.pack(">I", 0) + b"ipco" + struct.pack(">I", 0) + b"ipco"
    ),
    "AVIF box of 64 bits": lambda: in_avif(struct.pack(">I4sQ", 1, b"free", 2**64 - 1)),
    "AVIF box too short": lambda: in_avif(struct.pack(">I4s", 3, b"free")),
    "GIF that ends in a length": lambda: b"GIF89a\4\0\4\0\0\0\0,",
    "WEBP that ends in a chunk": lambda: in_webp(b"ANMF\xff\xff\xff\xff"),
    "PNG of one chunk": lambda: b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR",
}


@cache
def absurd_files(kind: str) -> dict[str, bytes]:
    """Files by name: ``too many``, ``too large``, ``metadata`` or ``harmless``, which only look dangerous."""
    makers = {
        "too many": _TOO_MANY,
        "too large": _TOO_LARGE,
        "metadata": _MUCH_METADATA,
        "harmless": _HARMLESS,
    }
    return {name: make() for name, make in makers[kind].items()}


ANIMATED = {kind: animation(kind, [scene(), scene().rotate(180)]) for kind in ("GIF", "WEBP", "PNG")}
