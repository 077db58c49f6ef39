"""Reads a JPEG, and notices what its decoder does not tell: a missing end, and damaged pixels."""

from __future__ import annotations

import io
from dataclasses import replace

from PIL import Image

from sge.errors import BrokenImageError, UnsupportedFormatError
from sge.images.jpeg_markers import MAX_SCANS, Jpeg, Watch, completed, read_jpeg, watched
from sge.images.orientation import TURNED_SIDEWAYS, exif_orientation
from sge.images.pixel_limit import PixelLimit
from sge.images.profiles import DAMAGED_PROFILE
from sge.images.reading import SAVE_AGAIN, Reading, left_over, loaded, open_image, shown_upright

_BAND_PIXELS = 1_000_000
"""Pixels that are compared at a time, which bounds the memory."""


def read_jpeg_file(data: bytes, limit: PixelLimit, scale: int = 1) -> Reading:
    """Decodes a JPEG.

    Args:
        data: The file.
        limit: Is checked before pixels are decoded.
        scale: 1, or 2, 4 or 8 to decode that fraction of its sides.

    Raises:
        UnsupportedFormatError: of a kind that is not read, for example with 12 bits a channel.
        BrokenImageError: damaged, a part of its pixels is missing, or it has too many scans.
        TooManyPixelsError: more pixels than the limit allows.
    """
    jpeg = read_jpeg(data)
    if sentence := jpeg.unsupported:
        raise UnsupportedFormatError(sentence)
    if jpeg.scans > MAX_SCANS:
        raise BrokenImageError(
            f"The JPEG has more than {MAX_SCANS} scans, which no camera writes. Save it again with another program."
        )
    notes = []
    if jpeg.end is None:
        ways = completed(jpeg.without_metadata(data))
        image = _loaded(next(ways), limit, scale)
        alike = (_equal(image, _loaded(way, limit, scale)) for way in ways)
        if not (jpeg.all_scans and jpeg.all_restarts(data) and all(alike)):
            raise BrokenImageError(f"The JPEG is cut off: a part of its pixels is missing. {SAVE_AGAIN}")
        notes.append("The JPEG's end marker is missing; all pixels were there.")
    else:
        image, sound = _jpeg_pixels(jpeg, data, limit, scale)
        if not sound:
            notes.append("The JPEG's pixels are damaged; a part of the image may be wrong.")
        notes += left_over("JPEG", data, jpeg.end)
    if jpeg.stray:
        notes.append("The JPEG has stray bytes between its segments; they were skipped.")
    if (profile := jpeg.profile) is not None:
        image.info["icc_profile"] = profile
        if not profile:
            notes.append(DAMAGED_PROFILE)
    orientation = exif_orientation(jpeg.exif or b"")
    reading = shown_upright(image, None, orientation, notes)
    if image.size == jpeg.size:
        return reading
    return replace(reading, full_size=jpeg.size[::-1] if orientation in TURNED_SIDEWAYS else jpeg.size)


class _Watched(io.BytesIO):
    """A file that is read up to some of its offsets at a time, so that ``tell`` says how much a decoder needed."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch.data)
        self._stops = (watch.early, watch.late)

    def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` bytes, none beyond the next offset."""
        at = self.tell()
        stop = next((stop for stop in self._stops if stop > at), at + max(size or 0, 0))
        return super().read(stop - at if size is None or size < 0 else min(size, stop - at))


def _loaded(file: bytes | io.BytesIO, limit: PixelLimit, scale: int) -> Image.Image:
    """The decoded image; with a scale, libjpeg leaves the high frequencies of every 8 x 8 block out."""
    image = open_image(file, "JPEG", limit)
    if scale > 1:
        image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))
    return loaded(image, "JPEG")


def _jpeg_pixels(jpeg: Jpeg, data: bytes, limit: PixelLimit, scale: int) -> tuple[Image.Image, bool]:
    """The loaded image; False if its decoder had bytes left over or too few, which it does not say itself."""
    watch = watched(jpeg, data)
    if watch is not None:
        file = _Watched(watch)
        image = _loaded(file, limit, scale)
        if watch.early < file.tell() <= watch.late:
            return image, jpeg.all_restarts(data)
    # The bytes that are only there for watching are not to be seen in a damaged image.
    return _loaded(jpeg.without_metadata(data), limit, scale), watch is None


def _equal(one: Image.Image, other: Image.Image) -> bool:
    """True if all pixels are equal; rows are compared in bands, which bounds the memory."""
    if (one.mode, one.size) != (other.mode, other.size):
        return False
    rows = max(1, _BAND_PIXELS // one.width)
    boxes = ((0, top, one.width, min(top + rows, one.height)) for top in range(0, one.height, rows))
    return all(one.crop(box).tobytes() == other.crop(box).tobytes() for box in boxes)
