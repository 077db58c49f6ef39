"""Reads which way up an image is, and turns it."""

from __future__ import annotations

from PIL import ExifTags, Image

from sge.images.file_kinds import FORMATS

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SHORT = 3


def exif_orientation(exif: bytes) -> int:
    r"""The orientation in an EXIF block, 1 to 8; 1 if there is none or the block is damaged.

    As in Chromium it must be one 16-bit number in the first directory. Orientations in XMP are not read: programs that
    turn an image often leave them as they were.

    Args:
        exif: A TIFF header with its directories, with or without ``Exif\0\0`` before it.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    if tiff[:4] not in (b"II*\0", b"MM\0*"):
        return 1
    little = tiff[:2] == b"II"

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], "little" if little else "big")

    start = number(4, 4)
    for at in range(start + 2, min(start + 2 + 12 * number(start, 2), len(tiff) - 11), 12):
        if number(at, 2) == ExifTags.Base.Orientation:
            valid = number(at + 2, 2) == _SHORT and number(at + 4, 4) == 1
            value = number(at + 8, 2)
            return value if valid and 1 <= value <= 8 else 1
    return 1


def orientation_of(image: Image.Image) -> int:
    """The orientation that Pillow's image carries, 1 to 8; 1 if its EXIF is damaged."""
    exif = image.info.get("exif")
    if isinstance(exif, bytes):
        return exif_orientation(exif)
    if image.format in (*FORMATS, "MPO", None):
        return 1
    try:  # Other formats, as TIFF, carry it in tags of their own.
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (
        Exception
    ):  # Pillow raises errors of many kinds on damaged tags; such an image is shown as it is stored.
        return 1
    return value if value in _TRANSPOSE else 1


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image turned and flipped according to its EXIF orientation."""
    method = _TRANSPOSE.get(orientation)
    return image if method is None else image.transpose(method)
