"""Reads which way up an image is, and turns it."""

from __future__ import annotations

from PIL import ExifTags, Image

from sge.images.file_kinds import FORMATS
from sge.images.tiff import tiff_entries

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TURNED_SIDEWAYS = (5, 6, 7, 8)
"""Orientations whose upright image has the sides exchanged."""
_SHORT = 3


def exif_orientation(exif: bytes) -> int:
    r"""The orientation in an EXIF block, 1 to 8; 1 if there is none or the block is damaged.

    As in Chromium it must be one 16-bit number in the first directory. Orientations in XMP are not read: programs that
    turn an image often leave them as they were.

    Args:
        exif: A TIFF header with its directories, with or without ``Exif\0\0`` before it.
    """
    entries = tiff_entries(exif.removeprefix(b"Exif\0\0"))
    found = next((entry for entry in entries if entry.tag == ExifTags.Base.Orientation), None)
    valid = found is not None and (found.type, found.length) == (_SHORT, 1) and 1 <= found.value <= 8
    return found.value if found is not None and valid else 1


def orientation_of(image: Image.Image) -> int:
    """The orientation that Pillow's image carries, 1 to 8; 1 if its EXIF is damaged."""
    exif = image.info.get("exif")
    if isinstance(exif, bytes):
        return exif_orientation(exif)
    if image.format in (*FORMATS, "MPO", None):
        return 1
    try:  # Other formats, as TIFF, carry it in tags of their own.
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Of many kinds on damaged tags; the image is shown as it is stored.
        return 1
    return value if value in _TRANSPOSE else 1


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image turned and flipped according to its EXIF orientation."""
    method = _TRANSPOSE.get(orientation)
    return image if method is None else image.transpose(method)
