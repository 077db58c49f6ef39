"""The analyzed image itself, encoded so that a page draws the decoded pixels and not its own reading of the file."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from PIL import Image

MAX_LOSSLESS_PIXELS = 250_000
"""Up to this size an image is encoded without loss; a larger PNG of a photo would have megabytes."""
MAX_JPEG_SIDE = 65_500
"""Pixels; libjpeg writes no larger ones."""
QUALITY = 92


@dataclass(frozen=True)
class EncodedImage:
    """An sRGB image as a file's content; it has neither a profile nor an orientation, so that all programs agree on it."""

    data: bytes
    media_type: str
    """``image/png`` or ``image/jpeg``."""

    @property
    def url(self) -> str:
        """The image as a data URL."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode('ascii')}"


def encode_image(image: Image.Image, max_side: int | None = None, format: str = "auto") -> EncodedImage:
    """A decoded image, made smaller if it is larger than a limit.

    Args:
        image: Mode RGB, upright, sRGB.
        max_side: Longest side of the result in pixels; None keeps the size.
        format: ``png`` (exact), ``jpeg`` (quality 92, color at full resolution), or ``auto``: PNG up to
            ``MAX_LOSSLESS_PIXELS``, else JPEG.
    """
    if max_side is not None and max(image.size) > max_side:
        width, height = (max(1, round(side * max_side / max(image.size))) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    is_small = image.width * image.height <= MAX_LOSSLESS_PIXELS
    buffer = io.BytesIO()
    if format == "png" or (format == "auto" and is_small) or max(image.size) > MAX_JPEG_SIDE:
        image.save(buffer, "PNG", compress_level=4)
        return EncodedImage(buffer.getvalue(), "image/png")
    image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return EncodedImage(buffer.getvalue(), "image/jpeg")
