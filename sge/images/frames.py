"""Reads one file of each accepted format with Pillow, and adds what Pillow leaves out."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFile, UnidentifiedImageError

from sge.errors import BrokenImageError, TooManyPixelsError, UnsupportedFormatError
from sge.images.avif_boxes import nclx_of
from sge.images.cicp import Space, avif_space
from sge.images.color import show
from sge.images.jpeg_markers import Jpeg, Watch, completed, read_jpeg, watched
from sge.images.jpeg_scans import MAX_SCANS
from sge.images.orientation import exif_orientation, orientation_of, upright
from sge.images.pixel_limit import PixelLimit
from sge.images.png_chunks import read_png
from sge.images.profiles import DAMAGED_PROFILE

_AVIF_EXIF = re.compile(rb"(infe\x02.{7})Exif", re.DOTALL)
_BAND_PIXELS = 1_000_000
_SAVE_AGAIN = "Save or download it again."
_TRAILERS = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF")


@dataclass(frozen=True)
class Reading:
    """One image file as it is shown."""

    rgb: Image.Image
    """Upright, sRGB."""
    format: str
    """Pillow's name of the format."""
    notes: tuple[str, ...]


def read_frame(data: bytes, format: str, limit: PixelLimit) -> Reading:
    """Decodes the image that a file shows first.

    Args:
        data: The file.
        format: From ``accepted_format``.
        limit: Is checked before pixels are decoded.

    Raises:
        ImageError: not decoded; the message says why.
    """
    return _READERS[format](data, limit)


def broken(format: str, reason: str = "") -> BrokenImageError:
    """The error for a file that does not decode."""
    return BrokenImageError(f"The {format} image is damaged or cut off{reason}. {_SAVE_AGAIN}")


def _open(data: bytes | io.BytesIO, format: str, limit: PixelLimit) -> ImageFile.ImageFile:
    """The image before its pixels are decoded."""
    try:
        file = io.BytesIO(data) if isinstance(data, bytes) else data
        image = Image.open(file, formats=(format,))
    # Pillow raises the error above twice its limit, and the warning where the caller's filters make it one.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise limit.exceeded() from None
    except UnidentifiedImageError:
        raise BrokenImageError(f"The image's beginning is damaged or cut off. {_SAVE_AGAIN}") from None
    except MemoryError:
        raise TooManyPixelsError("There is not enough memory for this image. Make it smaller.") from None
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and others.
        raise broken(format) from error
    limit.check(image.size)
    return image


def _loaded(image: Image.Image, format: str) -> Image.Image:
    try:
        image.load()
    except MemoryError:
        raise TooManyPixelsError("There is not enough memory for this image. Make it smaller.") from None
    except Exception as error:  # As above.
        raise broken(format) from error
    return image


def _read_jpeg(data: bytes, limit: PixelLimit) -> Reading:
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
        image = _loaded(_open(next(ways), "JPEG", limit), "JPEG")
        alike = (_equal(image, _loaded(_open(way, "JPEG", limit), "JPEG")) for way in ways)
        if not (jpeg.all_scans and jpeg.all_restarts(data) and all(alike)):
            raise BrokenImageError(f"The JPEG is cut off: a part of its pixels is missing. {_SAVE_AGAIN}")
        notes.append("The JPEG's end marker is missing; all pixels were there.")
    else:
        image, sound = _jpeg_pixels(jpeg, data, limit)
        if not sound:
            notes.append("The JPEG's pixels are damaged; a part of the image may be wrong.")
        notes += _left_over("JPEG", data, jpeg.end)
    if jpeg.stray:
        notes.append("The JPEG has stray bytes between its segments; they were skipped.")
    if (profile := jpeg.profile) is not None:
        image.info["icc_profile"] = profile
        if not profile:
            notes.append(DAMAGED_PROFILE)
    return _shown(image, None, exif_orientation(jpeg.exif or b""), notes)


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


def _jpeg_pixels(jpeg: Jpeg, data: bytes, limit: PixelLimit) -> tuple[Image.Image, bool]:
    """The loaded image; False if its decoder had bytes left over or too few, which it does not say itself."""
    watch = watched(jpeg, data)
    if watch is not None:
        file = _Watched(watch)
        image = _loaded(_open(file, "JPEG", limit), "JPEG")
        if watch.early < file.tell() <= watch.late:
            return image, jpeg.all_restarts(data)
    # The bytes that are only there for watching are not to be seen in a damaged image.
    return _loaded(_open(jpeg.without_metadata(data), "JPEG", limit), "JPEG"), watch is None


def _equal(one: Image.Image, other: Image.Image) -> bool:
    """True if all pixels are equal; rows are compared in bands, which bounds the memory."""
    if (one.mode, one.size) != (other.mode, other.size):
        return False
    rows = max(1, _BAND_PIXELS // one.width)
    boxes = ((0, top, one.width, min(top + rows, one.height)) for top in range(0, one.height, rows))
    return all(one.crop(box).tobytes() == other.crop(box).tobytes() for box in boxes)


def _left_over(format: str, data: bytes, end: int) -> list[str]:
    """A note on bytes after the end that are no further image, no video of a phone and no filling."""
    rest = data[end : end + 64].lstrip(b"\0\xff")
    if (
        not rest
        or rest.startswith(_TRAILERS)
        or data[end : end + 64].startswith(_TRAILERS)
        or b"ftyp" in rest
    ):
        return []
    return [f"The file goes on after the end of its {format} image; {len(data) - end} bytes were ignored."]


def _read_png(data: bytes, limit: PixelLimit) -> Reading:
    png = read_png(data)
    if png is None:
        raise BrokenImageError(f"The image's beginning is damaged or cut off. {_SAVE_AGAIN}")
    limit.check(png.canvas)
    notes = list(png.notes)
    try:
        image, corner = _png_pixels(png.data, png.hidden, limit), png.corner
    except BrokenImageError:
        if png.still is None:
            raise
        image, corner = _png_pixels(png.still, png.hidden, limit), (0, 0)
        notes.append("The animation is damaged; the still image in the file was used.")
    orientation = exif_orientation(png.exif or b"")
    if orientation > 1 and png.late_exif:
        notes.append(_otherwise_turned("PNG"))
    if not png.ended:
        notes.append("The PNG's last chunk is missing; all pixels were there.")
    else:
        notes += _left_over("PNG", data, png.end)
    return _shown(image, png.space, orientation, notes, png.canvas, corner)


def _otherwise_turned(format: str) -> str:
    return f"The {format} was turned as its EXIF says; some browsers show it as it is stored."


def _png_pixels(data: bytes, hidden: tuple[int, int, int] | None, limit: PixelLimit) -> Image.Image:
    image = _open(data, "PNG", limit)
    gray = image.info.get("transparency")
    if image.mode == "L" and isinstance(gray, int) and data[24] in (2, 4):
        # Pillow scales the pixels of few bits to 8 bits, but not the value that stands for transparent.
        image.info["transparency"] = gray * 255 // (2 ** data[24] - 1)
    _loaded(image, "PNG")
    if hidden is not None:
        image.putalpha(_visible(image, data, hidden))
    return image


def _visible(upper: Image.Image, data: bytes, hidden: tuple[int, int, int]) -> Image.Image:
    """0 where a 16-bit RGB image has the hidden color, else 255; Pillow keeps the upper bytes of the values only."""
    lower = Image.open(io.BytesIO(data), formats=("PNG",))
    # Taken for little-endian numbers, the values' second bytes are the upper ones.
    lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]
    lower.load()
    visible = Image.new("L", upper.size, 0)
    for value, high, low in zip(hidden, upper.split(), lower.split(), strict=True):
        for band, part in ((high, value >> 8), (low, value & 255)):
            other = band.point([0 if level == part else 255 for level in range(256)])
            visible = ImageChops.lighter(visible, other)
    return visible


def _read_webp(data: bytes, limit: PixelLimit) -> Reading:
    if data[12:16] == b"VP8X" and len(data) > 20 and data[20] & 0x02:
        # The canvas around the first frame of an animation is transparent also if no frame is.
        data = data[:20] + bytes([data[20] | 0x10]) + data[21:]
    image = _loaded(_open(data, "WEBP", limit), "WEBP")
    notes = []
    orientation = orientation_of(image)
    if orientation > 1:
        notes.append(_otherwise_turned("WebP"))
    notes += _left_over("WebP", data, 8 + int.from_bytes(data[4:8], "little"))
    return _shown(image, None, orientation, notes)


def _read_gif(data: bytes, limit: PixelLimit) -> Reading:
    image = _open(data, "GIF", limit)
    box = image.tile[0].extents if image.tile else None
    notes = []
    if image.mode == "L" or (image.palette is None and image.mode == "P"):
        notes.append("The GIF has no palette; gray levels were assumed.")
    reading = _shown(_loaded(image, "GIF"), None, 1, notes)
    if box is None or box == (0, 0, *image.size):
        return reading
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(reading.rgb.crop(box), box[:2])
    return Reading(canvas, reading.format, reading.notes)


def _read_avif(data: bytes, limit: PixelLimit) -> Reading:
    notes: list[str] = []
    try:
        image = _loaded(_open(data, "AVIF", limit), "AVIF")
    except BrokenImageError:
        # Pillow refuses an image with damaged EXIF.
        bare = _AVIF_EXIF.sub(rb"\1free", data, count=1)
        if bare == data:
            raise
        image = _loaded(_open(bare, "AVIF", limit), "AVIF")
        notes.append("The EXIF is damaged and was ignored.")
    space: Space | None = None
    if not image.info.get("icc_profile") and (numbers := nclx_of(data)):
        stated = avif_space(*numbers)
        space = stated.space
        notes.extend(stated.notes)
    return _shown(image, space, orientation_of(image), notes)


def _shown(
    image: Image.Image,
    space: Space | None,
    orientation: int,
    notes: list[str],
    canvas: tuple[int, int] | None = None,
    corner: tuple[int, int] = (0, 0),
) -> Reading:
    """The loaded image in sRGB on its canvas, upright."""
    shown = show(image, space)
    rgb = shown.rgb
    if canvas is not None and (canvas != rgb.size or corner != (0, 0)):
        whole = Image.new("RGB", canvas, "white")
        whole.paste(rgb, corner)
        rgb = whole
    return Reading(upright(rgb, orientation), image.format or "", (*notes, *shown.notes))


_READERS: dict[str, Callable[[bytes, PixelLimit], Reading]] = {
    "JPEG": _read_jpeg,
    "PNG": _read_png,
    "WEBP": _read_webp,
    "GIF": _read_gif,
    "AVIF": _read_avif,
}
