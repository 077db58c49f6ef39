"""Reads the bytes of an image from a path, a file object or bytes."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile
from PIL._util import DeferredError

from sge.errors import BrokenImageError, ImageError, ImageNotFoundError
from sge.images.file_kinds import FORMATS, accepted_format
from sge.images.opening import open_formats

_MAX_SHOWN = 200
"""Characters of a path that a message shows."""

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
    text = os.fsdecode(source)
    path = Path(text)
    shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
    try:
        mode = path.stat().st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise ImageError(f"{shown!r} is a device and not a file. Choose a file.")
        return path.read_bytes()
    except FileNotFoundError:
        raise ImageNotFoundError(f"There is no file {shown}. Check the path.") from None
    except (
        OSError,
        ValueError,
    ) as error:  # A null byte or half of a surrogate pair in the path is a ValueError.
        reason = error.strerror if isinstance(error, OSError) else "its path has a character that no path has"
        raise ImageError(
            f"{shown!r} cannot be read: {reason}. Check the path and its permissions."
        ) from error
    except MemoryError:
        raise ImageError(f"{shown!r} is larger than the memory. Choose a smaller file.") from None


def is_closed(image: Image.Image) -> bool:
    """Whether an image was closed, or its file, before its pixels were decoded."""
    if isinstance(image.__dict__.get("_im"), DeferredError):
        return True
    if not isinstance(image, ImageFile.ImageFile) or not image.tile or image.__dict__.get("_im") is not None:
        return False
    return image.fp is None or bool(getattr(image.fp, "closed", False))


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
            with open_formats(io.BytesIO(data), FORMATS) as again:
                # Otherwise a smaller size or another mode has been chosen for decoding.
                same = (again.size, again.mode, again.tile) == (image.size, image.mode, image.tile)
        finally:
            image.fp.seek(start)
    except Exception:  # A closed or damaged file; decoding the image gives the error that says so.
        return None
    return data if same and accepted_format(data) else None


def _read_file(source: IO[bytes]) -> bytes:
    read = getattr(source, "read", None)
    if read is not None and getattr(source, "closed", False) is True:
        raise ImageError("The file is closed. Give one that is open, or its path.")
    try:
        data = read() if callable(read) else None
    except (io.UnsupportedOperation, UnicodeError):  # A file for writing, or a text file.
        data = None
    except Exception as error:  # Archives, decompressors and connections raise errors of their own.
        raise ImageError(
            f"The {type(source).__name__} cannot be read to its end ({type(error).__name__}). Check where it comes from."
        ) from error
    if data is not None and not data and _is_at_end(source):
        raise BrokenImageError(
            "The file gives no bytes, because its position is at its end. Call seek(0) before."
        )
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ImageError(
            f"An image is a path, bytes, a PIL image or a file opened with 'rb'; this {type(source).__name__} gives "
            "no bytes. Make an array into one with PIL.Image.fromarray."
        )
    return bytes(data)


def _is_at_end(source: IO[bytes]) -> bool:
    try:
        return source.tell() > 0
    except Exception:  # A stream that cannot tell.
        return False
