"""Reads one file of each accepted format with Pillow, and adds what Pillow leaves out."""

from __future__ import annotations

import re
from collections.abc import Callable

from PIL import Image

from sge.images.avif_boxes import nclx_of
from sge.images.cicp import Space, avif_space
from sge.images.heic import heic_space, open_heic
from sge.images.jpeg_reading import read_jpeg_file
from sge.images.orientation import orientation_of
from sge.images.pixel_limit import PixelLimit
from sge.images.png_reading import read_png_file
from sge.images.reading import Reading, broken, left_over, loaded, open_image, shown_upright, turned_note

_AVIF_EXIF = re.compile(rb"(infe\x02.{7})Exif", re.DOTALL)


def read_frame(data: bytes, format: str, limit: PixelLimit) -> Reading:
    """Decodes the image that a file shows first.

    Args:
        data: The file.
        format: From ``accepted_format``; or HEIC.
        limit: Is checked before pixels are decoded.

    Raises:
        ImageError: not decoded; the message says why.
    """
    return _READERS[format](data, limit)


def _read_webp(data: bytes, limit: PixelLimit) -> Reading:
    if data[12:16] == b"VP8X" and len(data) > 20 and data[20] & 0x02:
        # The canvas around the first frame of an animation is transparent also if no frame is.
        data = data[:20] + bytes([data[20] | 0x10]) + data[21:]
    image = loaded(open_image(data, "WEBP", limit), "WEBP")
    notes = []
    orientation = orientation_of(image)
    if orientation > 1:
        notes.append(turned_note("WebP"))
    notes += left_over("WebP", data, 8 + int.from_bytes(data[4:8], "little"))
    return shown_upright(image, None, orientation, notes)


def _read_gif(data: bytes, limit: PixelLimit) -> Reading:
    image = open_image(data, "GIF", limit)
    box = image.tile[0].extents if image.tile else None
    notes = []
    if image.mode == "L" or (image.palette is None and image.mode == "P"):
        notes.append("The GIF has no palette; gray levels were assumed.")
    reading = shown_upright(loaded(image, "GIF"), None, 1, notes)
    if box is None or box == (0, 0, *image.size):
        return reading
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(reading.rgb.crop(box), box[:2])
    return Reading(canvas, reading.format, reading.notes)


def _read_heic(data: bytes, limit: PixelLimit) -> Reading:
    try:
        image = open_heic(data)
    except Exception as error:  # pillow-heif raises errors of many kinds.
        raise broken("HEIC") from error
    limit.check(image.size)
    stated = heic_space(loaded(image, "HEIC"))
    limit.check(image.size)
    reading = shown_upright(image, stated.space, 1, list(stated.notes))
    return Reading(reading.rgb, "HEIC", reading.notes)


def _read_avif(data: bytes, limit: PixelLimit) -> Reading:
    # Pillow refuses an image with damaged EXIF, and properties of the image say which way up it is.
    image = loaded(open_image(_AVIF_EXIF.sub(rb"\1free", data), "AVIF", limit), "AVIF")
    notes: list[str] = []
    space: Space | None = None
    if not image.info.get("icc_profile") and (numbers := nclx_of(data)):
        stated = avif_space(*numbers)
        space = stated.space
        notes.extend(stated.notes)
    return shown_upright(image, space, orientation_of(image), notes)


_READERS: dict[str, Callable[[bytes, PixelLimit], Reading]] = {
    "JPEG": read_jpeg_file,
    "PNG": read_png_file,
    "WEBP": _read_webp,
    "GIF": _read_gif,
    "AVIF": _read_avif,
    "HEIC": _read_heic,
}
