"""Reads the bytes of an image from a path, a file object or bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from sge.errors import ImageError, ImageNotFoundError

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
