"""Bytes to an upright 8-bit RGB picture, with limits checked before anything is decoded."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from sge.errors import (
    BrokenPictureError,
    PictureError,
    PictureNotFoundError,
    TooManyPixelsError,
    UnsupportedFormatError,
)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
FORMATS_TEXT = "JPEG, PNG, WebP, GIF or AVIF"
MAX_PIXELS = 50_000_000

# The state is global because warnings.catch_warnings is not safe where several threads decode.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image


@dataclass(frozen=True)
class Picture:
    """An upright picture, ready to be framed."""

    image: Image.Image
    """RGB, 8 bits a channel, turned as its EXIF says, transparency laid on white."""
    format: str
    """JPEG, PNG, WEBP, GIF, AVIF, or MEMORY for a PIL image that was never a file."""
    sha256: str
    """Of the file's bytes; of the pixels for a PIL image."""
    name: str | None = None
    """File name without folders, where there is one."""

    @property
    def width(self) -> int:
        """Pixels, upright."""
        return self.image.width

    @property
    def height(self) -> int:
        """Pixels, upright."""
        return self.image.height


def decode(source: Source, max_pixels: int = MAX_PIXELS, name: str | None = None) -> Picture:
    """Reads a picture: the first frame, upright, RGB.

    Args:
        source: Path, bytes, binary file object, or PIL image.
        max_pixels: Most pixels (width x height) that are decoded. Pillow's own limit of about 89 million
            holds beside it.
        name: A name for reports; a path brings its own.

    Raises:
        PictureNotFoundError: no such file.
        UnsupportedFormatError: not JPEG, PNG, WebP, GIF or AVIF, whatever the file name says.
        TooManyPixelsError: more than ``max_pixels``; nothing was decoded.
        BrokenPictureError: damaged or cut off.
    """
    if isinstance(source, Image.Image):
        _check_pixels(source.size, max_pixels)
        upright = _to_rgb(ImageOps.exif_transpose(source))
        return Picture(
            upright, source.format or "MEMORY", hashlib.sha256(upright.tobytes()).hexdigest(), name
        )
    if isinstance(source, str | os.PathLike):
        name = name or Path(source).name
    data = _read(source)
    image = _open(data, max_pixels)
    try:
        upright = _to_rgb(ImageOps.exif_transpose(image))
    except MemoryError:
        raise TooManyPixelsError("There is not enough memory for this picture. Make it smaller.") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error ...
        raise BrokenPictureError(
            f"The {image.format} picture is damaged or cut off ({error}). Save or download it again."
        ) from error
    return Picture(upright, str(image.format), hashlib.sha256(data).hexdigest(), name)


def _read(source: str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not isinstance(source, str | os.PathLike):
        return source.read()
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        raise PictureNotFoundError(f"There is no file {source}. Check the path.") from None
    except OSError as error:
        raise PictureError(f"{source} cannot be read: {error.strerror}.") from error


def _open(data: bytes, max_pixels: int) -> Image.Image:
    if not data:
        raise BrokenPictureError("The picture is empty (0 bytes). Choose another file.")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooManyPixelsError(_too_many(max_pixels)) from None
    except UnidentifiedImageError:
        if _looks_accepted(data):
            raise BrokenPictureError(
                "The picture's beginning is damaged or cut off. Save or download it again."
            ) from None
        raise UnsupportedFormatError(
            f"This is not a {FORMATS_TEXT} picture. Save it as one of these and try again."
        ) from None
    except Exception as error:
        raise BrokenPictureError(f"The picture is damaged ({error}). Save or download it again.") from error
    _check_pixels(image.size, max_pixels)
    return image


def _looks_accepted(data: bytes) -> bool:
    head = data[:16]
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"))
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
        or head[4:12] in (b"ftypavif", b"ftypavis")
    )


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise TooManyPixelsError(f"{size[0]} x {size[1]} pixels. {_too_many(max_pixels)}")


def _too_many(max_pixels: int) -> str:
    return f"The limit is {max_pixels / 1e6:g} million pixels. Make the picture smaller and try again."


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        image = _sixteen_to_eight_bits(image)
    if image.mode == "CMYK":
        return _from_cmyk(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        page = Image.new("RGBA", rgba.size, "white")
        page.alpha_composite(rgba)
        return page.convert("RGB")
    return image.convert("RGB")


def _sixteen_to_eight_bits(image: Image.Image) -> Image.Image:
    """Pillow's own conversion clips at 255, which turns most 16-bit pictures white."""
    values = np.asarray(image).astype(np.float32)
    return Image.fromarray(np.rint(values.clip(0, 65535) / 257).astype(np.uint8))


def _from_cmyk(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # A damaged profile must not cost the picture: the plain formula is close.
    return image.convert("RGB")
