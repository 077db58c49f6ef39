"""Decodes bytes to an upright 8-bit RGB image; limits are checked before any pixel is decoded."""

from __future__ import annotations

import hashlib
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from PIL import ExifTags, Image, UnidentifiedImageError

from sge.errors import (
    BrokenImageError,
    ImageError,
    ImageNotFoundError,
    TooManyPixelsError,
    UnsupportedFormatError,
)
from sge.images.color import to_rgb
from sge.images.jpeg_scans import MAX_SCANS, count_scans

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
FORMATS_TEXT = "JPEG, PNG, WebP, GIF or AVIF"
MAX_PIXELS = 50_000_000

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_PNG = b"\x89PNG\r\n\x1a\n"
_AVIF_EXIF = re.compile(rb"(infe\x02.{7})Exif", re.DOTALL)

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image


@dataclass(frozen=True)
class DecodedImage:
    """An upright image."""

    rgb: Image.Image
    """sRGB, 8 bits a channel, oriented according to its EXIF, transparency on white."""
    format: str
    """JPEG, PNG, WEBP, GIF, AVIF, or MEMORY for a PIL image that was not read from a file."""
    sha256: str
    """Hash of the file's bytes; for a PIL image, of its pixels."""
    name: str | None = None
    """File name without folders; None if unknown."""
    notes: tuple[str, ...] = ()
    """What the decoder warned about or assumed, as full sentences."""

    @property
    def width(self) -> int:
        """Width of the upright image in pixels."""
        return self.rgb.width

    @property
    def height(self) -> int:
        """Height of the upright image in pixels."""
        return self.rgb.height


def decode(source: Source, max_pixels: int = MAX_PIXELS, name: str | None = None) -> DecodedImage:
    """Decodes the first frame of an image, upright, as RGB.

    The function holds no state and may run in several threads at once.

    Args:
        source: Path, bytes, binary file object, or PIL image.
        max_pixels: Maximum of width x height. Pillow's own limit, ``PIL.Image.MAX_IMAGE_PIXELS`` (about 89
            million), applies as well.
        name: A name for reports; by default a path's file name.

    Raises:
        ImageNotFoundError: no such file.
        ImageError: the source cannot be read, or is not an image source.
        UnsupportedFormatError: the content is not JPEG, PNG, WebP, GIF or AVIF.
        TooManyPixelsError: more pixels than the limits allow; nothing was decoded.
        BrokenImageError: damaged or cut off.
    """
    if isinstance(source, Image.Image):
        _check_pixels(source.size, max_pixels)
        upright = _upright_rgb(source, source.format or "given")
        sha256 = hashlib.sha256(upright.tobytes()).hexdigest()
        return DecodedImage(upright, _format(source) or "MEMORY", sha256, name)
    if isinstance(source, str | os.PathLike):
        name = name or Path(source).name
    data = _read(source)
    try:
        upright, format = _decoded(data, max_pixels)
    except BrokenImageError:
        stripped = _without_metadata(data)
        if stripped == data:
            raise
        upright, format = _decoded(stripped, max_pixels)
    return DecodedImage(upright, format, hashlib.sha256(data).hexdigest(), name)


def _decoded(data: bytes, max_pixels: int) -> tuple[Image.Image, str]:
    image = _open(data, max_pixels)
    _scale_transparent_gray(image, data)
    return _upright_rgb(image, _format(image)), _format(image)


def _without_metadata(data: bytes) -> bytes:
    """The file without the metadata because of which Pillow refuses some images.

    These are damaged or large profiles and texts of a PNG, and the damaged EXIF of an AVIF.
    """
    if data[4:8] == b"ftyp":
        return _AVIF_EXIF.sub(rb"\1free", data, count=1)
    if not data.startswith(_PNG):
        return data
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] in (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"):
            kept.append(data[at:end])
        at = end
    return b"".join([*kept, data[at:]])


def _read(source: str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not isinstance(source, str | os.PathLike):
        return _read_file(source)
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        raise ImageNotFoundError(f"There is no file {source}. Check the path.") from None
    except (OSError, ValueError) as error:  # A null byte in the path is a ValueError.
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImageError(f"{str(source)!r} cannot be read: {reason}.") from error


def _read_file(source: IO[bytes]) -> bytes:
    try:
        data = source.read()
    except (AttributeError, ValueError, OSError):  # Not a file, a text file, a closed one, or a read error.
        data = None
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ImageError(
            f"An image is a path, bytes, a PIL image or a file opened with 'rb'; this {type(source).__name__} gives "
            "no bytes. Make an array into one with PIL.Image.fromarray."
        )
    return bytes(data)


def _open(data: bytes, max_pixels: int) -> Image.Image:
    if not data:
        raise BrokenImageError("The image is empty (0 bytes). Choose another file.")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    # Pillow raises the error above twice its limit, and the warning where the caller's filters make it one.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooManyPixelsError(_too_many(max_pixels)) from None
    except UnidentifiedImageError:
        if _looks_accepted(data):
            raise BrokenImageError(
                "The image's beginning is damaged or cut off. Save or download it again."
            ) from None
        raise UnsupportedFormatError(
            f"This is not a {FORMATS_TEXT} image. Save it as one of these and try again."
        ) from None
    except Exception as error:
        raise BrokenImageError(
            f"The image is damaged or cut off ({error}). Save or download it again."
        ) from error
    _check_pixels(image.size, max_pixels)
    if _format(image) == "JPEG" and count_scans(data) > MAX_SCANS:
        raise BrokenImageError(
            f"The JPEG has more than {MAX_SCANS} scans, which no camera writes. Save it again with another program."
        )
    return image


def _looks_accepted(data: bytes) -> bool:
    head = data[:16]
    return (
        head.startswith((b"\xff\xd8\xff", _PNG, b"GIF87a", b"GIF89a"))
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
        or head[4:12] in (b"ftypavif", b"ftypavis")
    )


def _format(image: Image.Image) -> str:
    """Pillow's name of the format, but JPEG for MPO: a JPEG with further frames, as many phones write it."""
    return "JPEG" if image.format == "MPO" else image.format or ""


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    if not all(size):
        raise BrokenImageError(f"The image is empty ({size[0]} x {size[1]} pixels). Choose another one.")
    if size[0] * size[1] > _limit(max_pixels):
        raise TooManyPixelsError(f"{size[0]} x {size[1]} pixels. {_too_many(max_pixels)}")


def _limit(max_pixels: int) -> int:
    """The smaller of the caller's limit and Pillow's, above which Pillow would warn or refuse itself."""
    return min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)


def _too_many(max_pixels: int) -> str:
    limit = _limit(max_pixels) / 1e6
    return f"The limit is {limit:.3g} million pixels. Make the image smaller and try again."


def _upright_rgb(image: Image.Image, format: str) -> Image.Image:
    try:
        image.load()
        upright = to_rgb(_oriented(image))
    except MemoryError:
        raise TooManyPixelsError("There is not enough memory for this image. Make it smaller.") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error ...
        raise BrokenImageError(
            f"The {format} image is damaged or cut off ({error}). Save or download it again."
        ) from error
    # The metadata (orientation, profile) describes the file's pixels and not the upright sRGB ones.
    upright.info = {}
    return upright


def _oriented(image: Image.Image) -> Image.Image:
    """The upright image. ``ImageOps.exif_transpose`` rewrites the EXIF and fails if any of it is damaged."""
    try:
        method = _TRANSPOSE.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # An image with damaged EXIF is shown as it is stored.
        method = None
    return image if method is None else image.transpose(method)


def _scale_transparent_gray(image: Image.Image, data: bytes) -> None:
    """Scales the transparent gray value of a 2- or 4-bit PNG to 8 bits; Pillow scales only the pixels."""
    gray = image.info.get("transparency")
    if image.format == "PNG" and image.mode == "L" and isinstance(gray, int) and data[24] in (2, 4):
        image.info["transparency"] = gray * 255 // (2 ** data[24] - 1)
