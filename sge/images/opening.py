"""Opening an image of a known format by Pillow's plugins, without ``PIL.Image.open``.

Other packages replace that function in the whole process. ultralytics, for example, installs a package with pip as soon as
a file cannot be identified, and hides the error.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO

from PIL import Image, ImageFile, UnidentifiedImageError


def open_formats(file: IO[bytes], formats: Sequence[str]) -> ImageFile.ImageFile:
    """The image of a file, before its pixels are decoded.

    Args:
        file: Binary and seekable; read from its start.
        formats: Pillow's names of the formats that are tried, in upper case.

    Returns:
        The image, which reads on from ``file``. The number of its pixels has not been checked.

    Raises:
        UnidentifiedImageError: The file is of none of the formats, or its beginning is damaged.
        Exception: Whatever else a plugin raises for a damaged file, mostly OSError and ValueError.
    """
    file.seek(0)
    prefix = file.read(16)
    Image.preinit()
    for format in formats:
        if format not in Image.OPEN:
            Image.init()
        factory, accept = Image.OPEN[format]
        accepted = accept is None or accept(prefix)
        if isinstance(accepted, str) or not accepted:  # A plugin's text says why it cannot read its format.
            continue
        file.seek(0)
        try:
            return factory(file, "")
        except (
            SyntaxError,
            IndexError,
            TypeError,
            struct.error,
        ):  # As Pillow: the file is of another format.
            continue
    raise UnidentifiedImageError(f"The file is of none of the formats {', '.join(formats)}.")
