"""Reads a PNG, with what Pillow leaves out: the first frame of an animation, and 16-bit transparency."""

from __future__ import annotations

import io

from PIL import Image, ImageChops

from sge.errors import BrokenImageError
from sge.images.opening import open_formats
from sge.images.orientation import exif_orientation
from sge.images.pixel_limit import PixelLimit
from sge.images.png_chunks import read_png
from sge.images.reading import SAVE_AGAIN, Reading, left_over, loaded, open_image, shown_upright, turned_note


def read_png_file(data: bytes, limit: PixelLimit) -> Reading:
    """Decodes a PNG.

    Raises:
        BrokenImageError: damaged or cut off.
        TooManyPixelsError: more pixels than the limit allows.
    """
    png = read_png(data)
    if png is None:
        raise BrokenImageError(f"The image's beginning is damaged or cut off. {SAVE_AGAIN}")
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
        notes.append(turned_note("PNG"))
    if not png.ended:
        notes.append("The PNG's last chunk is missing; all pixels were there.")
    else:
        notes += left_over("PNG", data, png.end)
    return shown_upright(image, png.space, orientation, notes, png.canvas, corner)


def _png_pixels(data: bytes, hidden: tuple[int, int, int] | None, limit: PixelLimit) -> Image.Image:
    image = open_image(data, "PNG", limit)
    gray = image.info.get("transparency")
    if image.mode == "L" and isinstance(gray, int) and data[24] in (2, 4):
        # Pillow scales the pixels of few bits to 8 bits, but not the value that stands for transparent.
        image.info["transparency"] = gray * 255 // (2 ** data[24] - 1)
    loaded(image, "PNG")
    if hidden is not None:
        image.putalpha(_visible(image, data, hidden))
    return image


def _visible(upper: Image.Image, data: bytes, hidden: tuple[int, int, int]) -> Image.Image:
    """0 where a 16-bit RGB image has the hidden color, else 255; Pillow keeps the upper bytes of the values only."""
    lower = open_formats(io.BytesIO(data), ("PNG",))
    # Taken for little-endian numbers, the values' second bytes are the upper ones.
    lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]
    lower.load()
    visible = Image.new("L", upper.size, 0)
    for value, high, low in zip(hidden, upper.split(), lower.split(), strict=True):
        for band, part in ((high, value >> 8), (low, value & 255)):
            other = band.point([0 if level == part else 255 for level in range(256)])
            visible = ImageChops.lighter(visible, other)
    return visible
