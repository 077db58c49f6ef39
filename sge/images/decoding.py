"""Decodes bytes to an upright 8-bit RGB image; limits are checked before any pixel is decoded.

The whole contract, compared with Chromium by tests, stands in ``docs/images.md``.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from sge.errors import BrokenImageError, ImageError, TooManyPixelsError
from sge.images.color import show
from sge.images.facts import ImageFacts
from sge.images.frames import read_frame
from sge.images.jpeg_reading import read_jpeg_file
from sge.images.orientation import orientation_of, upright
from sge.images.pixel_limit import PixelLimit
from sge.images.reading import Reading, broken, load_all
from sge.images.sources import BytesSource, file_of, is_closed, read_source
from sge.images.structure import inspect
from sge.images.tally import StructureLimits

MAX_PIXELS = 50_000_000

Source = BytesSource | Image.Image

_READING = threading.Lock()
"""Held while a PIL image of the caller is read: images have one position in their file, which threads would share."""


@dataclass(frozen=True)
class DecodedImage:
    """An upright image."""

    rgb: Image.Image
    """sRGB, 8 bits a channel, oriented according to its EXIF, transparency on white."""
    format: str
    """JPEG, PNG, WEBP, GIF, AVIF, with pillow-heif HEIC, or MEMORY for a PIL image that was not read from a file."""
    sha256: str
    """Hash of the file's bytes; for a PIL image, of its pixels."""
    name: str | None = None
    """File name without folders; None if unknown."""
    notes: tuple[str, ...] = ()
    """What the decoder warned about or assumed, as full sentences."""
    full_size: tuple[int, int] | None = None
    """Width and height of the image where ``rgb`` was decoded smaller; None where it was not."""

    @property
    def width(self) -> int:
        """Width of the upright image in pixels."""
        return (self.full_size or self.rgb.size)[0]

    @property
    def height(self) -> int:
        """Height of the upright image in pixels."""
        return (self.full_size or self.rgb.size)[1]

    @property
    def facts(self) -> ImageFacts:
        """The same without the pixels."""
        return ImageFacts(self.width, self.height, self.format, self.sha256, self.name, self.notes)


def decode(
    source: Source,
    max_pixels: int = MAX_PIXELS,
    name: str | None = None,
    limits: StructureLimits | None = None,
    scale: int = 1,
) -> DecodedImage:
    """Decodes the image that a file shows first, upright, as RGB.

    The function holds no state and may run in several threads at once.

    Args:
        source: Path, bytes, binary file object, or PIL image.
        max_pixels: Maximum of width x height. Pillow's own limit, ``PIL.Image.MAX_IMAGE_PIXELS`` (about 89
            million), applies as well.
        name: A name for reports; by default a path's file name.
        limits: What the file's structure may have, in place of ``StructureLimits(max_pixels)``.
        scale: 2, 4 or 8: a JPEG is decoded at that fraction of its sides, which takes less time; see ``jpeg_scale``.

    Raises:
        ImageNotFoundError: no such file.
        ImageError: the source cannot be read, or is not an image source; or a PIL image has values without a known
            range.
        UnsupportedFormatError: the content is not JPEG, PNG, WebP, GIF or AVIF (or HEIC, where pillow-heif is installed),
            or a kind of these that is not read.
        TooManyPixelsError: more pixels than the limits allow; nothing was decoded.
        ImageTooCostlyError: more segments, scans, frames, metadata or memory than ``limits`` allows; nothing was decoded.
        BrokenImageError: damaged or cut off.
    """
    limits = limits or StructureLimits(max_pixels)
    limit = PixelLimit(limits.max_pixels, limits.max_side)
    if isinstance(source, Image.Image):
        limit.check(source.size)
        with _READING:
            data = file_of(source)
        reading = _read_pil(source) if data is None else _read_data(data, limits)
        sha256 = hashlib.sha256(reading.rgb.tobytes()).hexdigest()
        return DecodedImage(reading.rgb, reading.format, sha256, name, reading.notes)
    if isinstance(source, str | os.PathLike):
        name = name or Path(os.fsdecode(source)).name
    data = read_source(source)
    reading = _read_data(data, limits, scale)
    sha256 = hashlib.sha256(data).hexdigest()
    return DecodedImage(reading.rgb, reading.format, sha256, name, reading.notes, reading.full_size)


def _read_data(data: bytes, limits: StructureLimits, scale: int = 1) -> Reading:
    format = inspect(data, limits).format
    limit = PixelLimit(limits.max_pixels, limits.max_side)
    if format == "JPEG":
        return _guarded(format, lambda: read_jpeg_file(data, limit, scale))
    return _guarded(format, lambda: read_frame(data, format, limit))


def _read_pil(source: Image.Image) -> Reading:
    def read() -> Reading:
        closed = is_closed(source)
        try:
            with _READING:
                load_all(source)
        except Exception as error:
            if not closed:
                raise
            raise BrokenImageError(
                "The image's file was closed before its pixels were read. Call load() before it is closed, or give the "
                "path."
            ) from error
        shown = show(source)
        rgb = upright(shown.rgb, orientation_of(source))
        # The caller's image stays as it was.
        return Reading(rgb.copy() if rgb is source else rgb, _format(source) or "MEMORY", shown.notes)

    return _guarded(source.format or "given", read)


def _guarded(format: str, read: Callable[[], Reading]) -> Reading:
    """What ``read`` gives; errors of other libraries become errors of ours."""
    try:
        reading = read()
    except ImageError:
        raise
    except MemoryError:
        raise TooManyPixelsError("There is not enough memory for this image. Make it smaller.") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error ...
        raise broken(format) from error
    # The metadata (orientation, profile) describes the file's pixels and not the upright sRGB ones.
    reading.rgb.info = {}
    return replace(reading, notes=tuple(dict.fromkeys(reading.notes)))


def _format(image: Image.Image) -> str:
    """Pillow's name of the format, but JPEG for MPO: a JPEG with further frames, as many phones write it."""
    return "JPEG" if image.format == "MPO" else image.format or ""
