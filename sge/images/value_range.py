"""Scales gray images of more than 8 bits a pixel to 8 bits by the values that are there."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sge.arrays import Array
from sge.errors import ImageError

_BAND_PIXELS = 4_000_000
"""Pixels that are scaled at a time, which bounds the memory."""


def is_scaled(mode: str) -> bool:
    """True for the modes of 16-bit, 32-bit and floating-point gray images."""
    return mode == "F" or mode.startswith("I")


def scaled(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """The image as L (or LA, if one of its values is transparent), with notes on what was assumed.

    16-bit images keep the upper byte of each value, as Chromium and Pillow do. What 32-bit and floating-point values
    mean is not said anywhere; 0 to 1 (floating-point), 0 to 255 and 0 to 65535 are taken for the full range.

    Args:
        image: Of a mode for which ``is_scaled`` is true.

    Raises:
        ImageError: values that are negative, above 65535 or not finite.
    """
    values = np.asarray(image)
    factor, notes = (1.0, ()) if image.mode.startswith("I;16") else _factor(values, image.mode)
    out = np.empty(values.shape, np.uint8)
    rows = max(1, _BAND_PIXELS // max(1, values.shape[1]))
    for top in range(0, len(values), rows):
        band = values[top : top + rows]
        if image.mode.startswith("I;16"):
            out[top : top + rows] = band >> 8
        else:
            out[top : top + rows] = np.rint(band * np.float64(factor))
    gray = Image.fromarray(out)
    hidden = image.info.get("transparency")
    if isinstance(hidden, int):
        gray.putalpha(Image.fromarray(np.where(values == hidden, 0, 255).astype(np.uint8)))
    return gray, notes


def _factor(values: Array, mode: str) -> tuple[float, tuple[str, ...]]:
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(
            "The image has values that are not finite (NaN or infinity). Replace them and try again."
        )
    if low < 0 or high > 65535:
        raise ImageError(
            f"The image has values from {low:g} to {high:g}, whose meaning is not known. Scale them to 0 to 255, "
            "and convert the image to 8 bits."
        )
    top = 1 if mode == "F" and high <= 1 else 255 if high <= 255 else 65535
    note = f"The image says not which of its values is white; 0 to {top} was taken for the full range."
    return 255 / top, (note,)
