"""Reads the bytes of an image from a path, a file object or bytes."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile

from sge.errors import ImageError, ImageNotFoundError
from sge.images.file_kinds import FORMATS, accepted_format

BytesSource = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]


def read_source(source: BytesSource) -> bytes:
    """The bytes of an image.

    Raises:
        ImageNotFoundError: no such file.
        ImageError: the file cannot be read, or the source gives no bytes.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not isinstance(source, str | os.PathLike):
        return _read_file(source)
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        raise ImageNotFoundError(f"There is no file {source}. Check the path.") from None
    except (OSError, ValueError) as error:  # A null byte in the path is a ValueError.
        reason = error.strerror if isinstance(error, OSError) else "its path has a null character"
        raise ImageError(
            f"{str(source)!r} cannot be read: {reason}. Check the path and its permissions."
        ) from error


def file_of(image: Image.Image) -> bytes | None:
    """The bytes of a file that Pillow has opened and not yet decoded.

    They say more than Pillow's image, which lacks some of a file's color space, transparency and animation.

    Returns:
        None if the image may have been changed since it was opened, or its file cannot be read again.
    """
    if not isinstance(image, ImageFile.ImageFile) or image.fp is None or image.tell() != 0:
        return None
    if not image.tile and getattr(image, "_im", image) is not None:  # Pillow's WebP images never have tiles.
        return None
    try:
        start = image.fp.tell()
        image.fp.seek(0)
        try:
            data = image.fp.read()
            with Image.open(io.BytesIO(data), formats=FORMATS) as again:
                # Otherwise a smaller size or another mode has been chosen for decoding.
                same = (again.size, again.mode, again.tile) == (image.size, image.mode, image.tile)
        finally:
            image.fp.seek(start)
    except Exception:  # A closed or damaged file; decoding the image gives the error that says so.
        return None
    return data if same and accepted_format(data) else None


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
