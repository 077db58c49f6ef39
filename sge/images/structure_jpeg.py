"""The structure of a JPEG: its segments and scans."""

from __future__ import annotations

from sge.images.jpeg_markers import Jpeg, read_jpeg
from sge.images.tally import Found, Tally

_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_WAYS = 6
"""A JPEG without its end marker is decoded in as many ways, to see whether pixels are missing."""


def read_jpeg_segments(data: bytes, tally: Tally) -> Found:
    """Reads the markers up to the end of the first image.

    Raises:
        ImageTooCostlyError: more than the limits allow.
    """
    jpeg = read_jpeg(data, tally.limits.max_segments)
    tally.add_segments(jpeg.segments)
    tally.add_metadata(jpeg.metadata)
    tally.add_frames()
    passes = jpeg.scans if jpeg.scans > 1 else 1
    return Found(jpeg.size, _bytes_per_pixel(jpeg), passes * (1 if jpeg.end is not None else _WAYS))


def _bytes_per_pixel(jpeg: Jpeg) -> float:
    """Pillow holds 4 bytes a pixel; turning, a profile or a comparison takes a copy; progressive ones hold coefficients."""
    pixels = 5.0 if len(jpeg.components) == 1 else 4.5
    if jpeg.exif is not None or jpeg.profile_count or jpeg.end is None or len(jpeg.components) == 4:
        pixels += 5
    if jpeg.frame in _PROGRESSIVE or jpeg.scans > 1:
        # Each coefficient has 2 bytes. A component of fewer samples has fewer of them.
        most = max((across * down for across, down in jpeg.sampling.values()), default=1) or 1
        pixels += 2.2 * sum(across * down / most for across, down in jpeg.sampling.values())
    return pixels
