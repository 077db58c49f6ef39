"""What the readers of all formats share: opening and loading with Pillow, and errors that are sentences of ours."""

from __future__ import annotations

import io
from dataclasses import dataclass
from types import FunctionType

from PIL import Image, ImageFile, UnidentifiedImageError

from sge.errors import BrokenImageError, TooManyPixelsError
from sge.images.cicp import Space
from sge.images.color import show
from sge.images.opening import open_formats
from sge.images.orientation import upright
from sge.images.pixel_limit import PixelLimit

SAVE_AGAIN = "Save or download it again."
_SAMSUNG = b"SEFT"
_LOAD = ImageFile.ImageFile.load
_LOAD_ALL = FunctionType(
    _LOAD.__code__,
    {**vars(ImageFile), "LOAD_TRUNCATED_IMAGES": False},
    _LOAD.__name__,
    _LOAD.__defaults__,
    _LOAD.__closure__,
)
"""Pillow's loader with a setting of its own, because the program's may let it pass over missing pixels in silence."""
_TRAILERS = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF")


@dataclass(frozen=True)
class Reading:
    """One image file as it is shown."""

    rgb: Image.Image
    """Upright, sRGB."""
    format: str
    """Pillow's name of the format."""
    notes: tuple[str, ...]
    full_size: tuple[int, int] | None = None
    """Width and height of the upright image where ``rgb`` was decoded smaller."""


def broken(format: str, reason: str = "") -> BrokenImageError:
    """The error for a file that does not decode."""
    return BrokenImageError(f"The {format} image is damaged or cut off{reason}. {SAVE_AGAIN}")


def open_image(data: bytes | io.BytesIO, format: str, limit: PixelLimit) -> ImageFile.ImageFile:
    """The image before its pixels are decoded.

    Raises:
        BrokenImageError: its beginning is damaged, or it is empty.
        TooManyPixelsError: more pixels than the limit allows.
    """
    try:
        file = io.BytesIO(data) if isinstance(data, bytes) else data
        image = open_formats(file, (format,))
    except UnidentifiedImageError:
        raise BrokenImageError(f"The image's beginning is damaged or cut off. {SAVE_AGAIN}") from None
    except MemoryError:
        raise TooManyPixelsError("There is not enough memory for this image. Make it smaller.") from None
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and others.
        raise broken(format) from error
    limit.check(image.size)
    return image


def loaded(image: Image.Image, format: str) -> Image.Image:
    """The image with its pixels decoded.

    Raises:
        BrokenImageError: damaged or cut off.
        TooManyPixelsError: the memory does not hold it.
    """
    try:
        load_all(image)
    except MemoryError:
        raise TooManyPixelsError("There is not enough memory for this image. Make it smaller.") from None
    except Exception as error:  # As above.
        raise broken(format) from error
    return image


def load_all(image: Image.Image) -> None:
    """Decodes an image's pixels; a part that is missing is an error also where ``LOAD_TRUNCATED_IMAGES`` is set."""
    if type(image).load is _LOAD:
        _LOAD_ALL(image)
    else:
        image.load()


def shown_upright(
    image: Image.Image,
    space: Space | None,
    orientation: int,
    notes: list[str],
    canvas: tuple[int, int] | None = None,
    corner: tuple[int, int] = (0, 0),
) -> Reading:
    """The loaded image in sRGB on its canvas, upright.

    Args:
        image: With its pixels decoded.
        space: What its values mean; None if Pillow's information says it.
        orientation: Of its EXIF, 1 to 8.
        notes: What has been noticed so far.
        canvas: Width and height of the whole, if the image may be a part of it; the rest is white.
        corner: Left and top of the part.
    """
    shown = show(image, space)
    rgb = shown.rgb
    if canvas is not None and (canvas != rgb.size or corner != (0, 0)):
        whole = Image.new("RGB", canvas, "white")
        whole.paste(rgb, corner)
        rgb = whole
    return Reading(upright(rgb, orientation), image.format or "", (*notes, *shown.notes))


def left_over(format: str, data: bytes, end: int) -> list[str]:
    """A note on bytes after the end that are no further image, no video of a phone and no filling."""
    rest = data[end : end + 64]
    further = rest.startswith(_TRAILERS) or b"ftyp" in rest or data.endswith(_SAMSUNG)
    if further or not rest.strip(b"\0\xff"):
        return []
    return [f"The file goes on after the end of its {format} image; {len(data) - end} bytes were ignored."]


def turned_note(format: str) -> str:
    """The note on an image that Chromium does not turn."""
    return f"The {format} was turned as its EXIF says; some browsers show it as it is stored."
