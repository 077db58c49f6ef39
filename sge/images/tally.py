"""Counts what a file consists of, and refuses it as soon as a count passes its limit."""

from __future__ import annotations

from dataclasses import dataclass

from sge.errors import ImageTooCostlyError

_UNITS = {
    "JPEG": "segments",
    "PNG": "chunks",
    "WEBP": "chunks",
    "GIF": "blocks",
    "AVIF": "boxes and items",
    "HEIC": "boxes and items",
}


@dataclass(frozen=True)
class StructureLimits:
    """What the structure of a file may have; the defaults are far above what cameras and programs write."""

    max_pixels: int = 50_000_000
    """Width x height."""
    max_side: int = 200_000
    """Width or height in pixels; a JPEG has at most 65,535."""
    max_segments: int = 100_000
    """Segments of a JPEG, chunks of a PNG or WebP, blocks of a GIF, boxes and items of an AVIF or HEIC."""
    max_data_blocks: int = 1_000_000
    """Blocks of at most 255 bytes into which a GIF divides its data."""
    max_frames: int = 20_000
    """Images of an animation."""
    max_scan_pixels: int = 2_000_000_000
    """Scans x pixels of a progressive JPEG: each scan is one more pass over the image."""
    max_metadata: int = 64 * 1024 * 1024
    """Bytes of EXIF, profiles, XMP, comments and texts."""
    max_memory: int = 4 * 1024**3
    """Bytes that decoding would take, estimated from format, kind and number of pixels."""


@dataclass(frozen=True)
class Found:
    """What only the reader of a format knows."""

    size: tuple[int, int]
    """Width and height as stored, in pixels; zeros where the file is too damaged to say."""
    bytes_per_pixel: float
    """Memory at the peak of decoding, measured for each kind and rounded up."""
    scans: int = 1
    """Passes over the pixels."""


class Tally:
    """Counts of one file.

    Args:
        format: Of the file, for the messages.
        limits: Are never passed: the count that would do so is an error.
    """

    def __init__(self, format: str, limits: StructureLimits) -> None:
        self.format, self.limits = format, limits
        self.segments = self.data_blocks = self.frames = self.metadata = 0

    def add_segments(self, count: int = 1) -> None:
        """Counts segments, chunks, blocks or boxes.

        Raises:
            ImageTooCostlyError: they are too many; so for the other counts.
        """
        self.segments += count
        self._check(self.segments, self.limits.max_segments, _UNITS[self.format])

    def add_data_blocks(self, count: int) -> None:
        """Counts the blocks of a GIF's data."""
        self.data_blocks += count
        self._check(self.data_blocks, self.limits.max_data_blocks, "data blocks")

    def add_frames(self, count: int = 1) -> None:
        """Counts images of an animation."""
        self.frames += count
        self._check(self.frames, self.limits.max_frames, "frames")

    def add_samples(self, count: int) -> None:
        """Takes a table that has a row for each image, of which a file has several."""
        self.frames = max(self.frames, count)
        self._check(self.frames, self.limits.max_frames, "frames")

    def add_metadata(self, count: int) -> None:
        """Counts bytes of metadata."""
        self.metadata += count
        self._check(self.metadata, self.limits.max_metadata, "bytes of metadata")

    def _check(self, count: int, limit: int, what: str) -> None:
        if count > limit:
            raise ImageTooCostlyError(
                f"The {self.format} has more than {limit:,} {what}. Save it again with another program, without metadata."
            )
