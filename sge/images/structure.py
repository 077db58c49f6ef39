"""One bounded pass over a file's structure, before any decoder sees it: how large the image is, and what is absurd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sge.errors import BrokenImageError, ImageTooCostlyError, UnsupportedFormatError
from sge.images.file_kinds import accepted_format, is_heic, unsupported_sentence
from sge.images.heic import heic_is_readable
from sge.images.pixel_limit import PixelLimit
from sge.images.structure_boxes import read_boxes
from sge.images.structure_chunks import read_png_chunks, read_webp_chunks
from sge.images.structure_gif import read_gif_blocks
from sge.images.structure_jpeg import read_jpeg_segments
from sge.images.tally import Found, StructureLimits, Tally

_COPIES = 3
"""As many copies of the file exist while it is read."""
_READERS: dict[str, Callable[[bytes, Tally], Found]] = {
    "JPEG": read_jpeg_segments,
    "PNG": read_png_chunks,
    "WEBP": read_webp_chunks,
    "GIF": read_gif_blocks,
    "AVIF": read_boxes,
    "HEIC": read_boxes,
}


@dataclass(frozen=True)
class Structure:
    """What the pass has found."""

    format: str
    """JPEG, PNG, WEBP, GIF, AVIF or HEIC."""
    width: int
    """As stored, in pixels; 0 where the file is too damaged to say. Height likewise."""
    height: int
    frames: int = 1
    """Images in the file, of which the first is decoded."""
    segments: int = 0
    """Segments, chunks, blocks or boxes."""
    scans: int = 1
    """Passes over the pixels: those of a progressive JPEG, 7 of an interlaced PNG."""
    metadata: int = 0
    """Bytes of EXIF, profiles, XMP and texts."""
    memory: int = 0
    """Estimate of the bytes that decoding takes at its peak."""

    @property
    def pixels(self) -> int:
        """Width x height."""
        return self.width * self.height


def inspect(data: bytes, limits: StructureLimits | None = None) -> Structure:
    """Reads the structure of an image file in one bounded pass; no pixel is decoded.

    A damaged file is no error here: decoding it says what is wrong.

    Args:
        data: The file.
        limits: By default ``StructureLimits()``.

    Raises:
        BrokenImageError: no bytes.
        UnsupportedFormatError: no image of an accepted format.
        TooManyPixelsError: more pixels, or a longer side, than the limits allow.
        ImageTooCostlyError: more segments, scans, frames, metadata or memory than the limits allow.
    """
    limits = limits or StructureLimits()
    format = format_of(data)
    tally = Tally(format, limits)
    found = _READERS[format](data, tally)
    structure = Structure(
        format,
        *found.size,
        frames=max(1, tally.frames),
        segments=tally.segments,
        scans=found.scans,
        metadata=tally.metadata,
        memory=round(found.bytes_per_pixel * found.size[0] * found.size[1]) + _COPIES * len(data),
    )
    if structure.pixels:
        PixelLimit(limits.max_pixels, limits.max_side).check(found.size)
    _check_cost(structure, limits)
    return structure


def _check_cost(structure: Structure, limits: StructureLimits) -> None:
    if structure.scans * structure.pixels > limits.max_scan_pixels:
        raise ImageTooCostlyError(
            f"The {structure.format} passes {structure.scans} times over {structure.pixels / 1e6:.3g} million pixels; "
            f"scans x pixels may be {limits.max_scan_pixels / 1e6:.3g} million. Save it again as an ordinary JPEG."
        )
    if structure.memory > limits.max_memory:
        raise ImageTooCostlyError(
            f"Decoding this {structure.format} would take about {structure.memory / 2**20:.0f} MiB of memory; the limit is "
            f"{limits.max_memory / 2**20:.0f} MiB. Make the image smaller and try again."
        )


def format_of(data: bytes) -> str:
    """The accepted format that a file begins like.

    Raises:
        BrokenImageError: no bytes.
        UnsupportedFormatError: another kind of file; the message says which and what to do.
    """
    if not data:
        raise BrokenImageError("The image is empty (0 bytes). Choose another file.")
    format = accepted_format(data)
    if format is None and is_heic(data) and heic_is_readable():
        format = "HEIC"
    if format is None:
        raise UnsupportedFormatError(unsupported_sentence(data))
    return format
