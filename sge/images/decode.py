"""Bytes to an upright 8-bit RGB image, with limits checked before anything is decoded."""

from __future__ import annotations

import hashlib
import io
import os
import re
import warnings
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

_TURNS = {
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

# The state is global because warnings.catch_warnings is not safe where several threads decode.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image


@dataclass(frozen=True)
class DecodedImage:
    """An upright image, ready to be framed."""

    rgb: Image.Image
    """sRGB, 8 bits a channel, turned as its EXIF says, transparency laid on white."""
    format: str
    """JPEG, PNG, WEBP, GIF, AVIF, or MEMORY for a PIL image that was never a file."""
    sha256: str
    """Of the file's bytes; of the pixels for a PIL image."""
    name: str | None = None
    """File name without folders, where there is one."""

    @property
    def width(self) -> int:
        """Pixels, upright."""
        return self.rgb.width

    @property
    def height(self) -> int:
        """Pixels, upright."""
        return self.rgb.height


def decode(source: Source, max_pixels: int = MAX_PIXELS, name: str | None = None) -> DecodedImage:
    """Reads an image: the first frame, upright, RGB.

    Args:
        source: Path, bytes, binary file object, or PIL image.
        max_pixels: Most pixels (width x height) that are decoded. Pillow's own limit of about 89 million
            holds beside it.
        name: A name for reports; a path brings its own.

    Raises:
        ImageNotFoundError: no such file.
        UnsupportedFormatError: not JPEG, PNG, WebP, GIF or AVIF, whatever the file name says.
        TooManyPixelsError: more than ``max_pixels``; nothing was decoded.
        BrokenImageError: damaged or cut off.
    """
    if isinstance(source, Image.Image):
        _check_pixels(source.size, max_pixels)
        upright = _finished(source, source.format or "given")
        sha256 = hashlib.sha256(upright.tobytes()).hexdigest()
        return DecodedImage(upright, _format(source) or "MEMORY", sha256, name)
    if isinstance(source, str | os.PathLike):
        name = name or Path(source).name
    data = _read(source)
    try:
        upright, kind = _decoded(data, max_pixels)
    except BrokenImageError:
        bare = _bare(data)
        if bare == data:
            raise
        upright, kind = _decoded(bare, max_pixels)
    return DecodedImage(upright, kind, hashlib.sha256(data).hexdigest(), name)


def _decoded(data: bytes, max_pixels: int) -> tuple[Image.Image, str]:
    image = _open(data, max_pixels)
    _scale_transparent_grey(image, data)
    return _finished(image, _format(image)), _format(image)


def _bare(data: bytes) -> bytes:
    """The same pixels without what surrounds them, over which Pillow refuses some images.

    That is a PNG's damaged or large profile and texts, and damaged EXIF of an AVIF.
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
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImageError(f"{str(source)!r} cannot be read: {reason}.") from error


def _read_file(source: IO[bytes]) -> bytes:
    try:
        data = source.read()
    except (AttributeError, ValueError, OSError):  # no file at all, a text or closed one, or one that fails
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
    """A JPEG with further frames, as many phones write it, is MPO to Pillow."""
    return "JPEG" if image.format == "MPO" else image.format or ""


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    if not all(size):
        raise BrokenImageError(f"The image is empty ({size[0]} x {size[1]} pixels). Choose another one.")
    if size[0] * size[1] > max_pixels:
        raise TooManyPixelsError(f"{size[0]} x {size[1]} pixels. {_too_many(max_pixels)}")


def _too_many(max_pixels: int) -> str:
    limit = min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)
    return f"The limit is {limit / 1e6:.3g} million pixels. Make the image smaller and try again."


def _finished(image: Image.Image, kind: str) -> Image.Image:
    try:
        image.load()
        upright = to_rgb(_turned(image))
    except MemoryError:
        raise TooManyPixelsError("There is not enough memory for this image. Make it smaller.") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error ...
        raise BrokenImageError(
            f"The {kind} image is damaged or cut off ({error}). Save or download it again."
        ) from error
    # What is said of the file (its EXIF turn, its profile) is no longer true of the upright sRGB pixels.
    upright.info = {}
    return upright


def _turned(image: Image.Image) -> Image.Image:
    """Upright. ``ImageOps.exif_transpose`` writes the EXIF anew and fails where some of it is damaged."""
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Damaged EXIF must not cost the image.
        turn = None
    return image if turn is None else image.transpose(turn)


def _scale_transparent_grey(image: Image.Image, data: bytes) -> None:
    """Pillow widens the greys of a 2- or 4-bit PNG to 8 bits, but not the one that stands for transparent."""
    grey = image.info.get("transparency")
    if image.format == "PNG" and image.mode == "L" and isinstance(grey, int) and data[24] in (2, 4):
        image.info["transparency"] = grey * 255 // (2 ** data[24] - 1)
