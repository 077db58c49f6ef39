"""Which values the ends of a color bar stand for, and maps at the size of an image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from sge.arrays import Array
from sge.errors import check_choice

SCALES = ("relative", "absolute")
FLAT = 1e-4
"""A map whose values span less than this is flat: the image does not change it."""


def is_flat(values: Array) -> bool:
    """Whether a map is constant, because its gate is inactive or because the image has no contrast there."""
    return bool(values.max() - values.min() < FLAT)


def limits(maps: Array, values: Array, scale: str, signal: str) -> tuple[float, float]:
    """The values at the ends of the color bar.

    Similarity starts at 0, the mean of every map: lower values mean that the group does not respond, and how
    little it responds is of no interest.

    Args:
        maps: All maps of the block, (G, h, w).
        values: The map that is drawn, (h, w).
        scale: ``absolute``: minimum and maximum of the whole block, so that its groups compare.
            ``relative``: of this map alone, so that its pattern shows.
        signal: ``mask`` or ``similarity``.

    Raises:
        ChoiceError: an unknown scale.
    """
    check_choice("scale", scale, SCALES)
    source = maps if scale == "absolute" else values
    high = float(source.max())
    return (min(0.0, high) if signal == "similarity" else float(source.min())), high


def stretched(values: Array, size: tuple[int, int], lo: float, hi: float) -> npt.NDArray[np.uint8]:
    """A map as 8-bit values, interpolated between cells.

    Args:
        values: (h, w).
        size: Width and height of the result.
        lo: The value that becomes 0.
        hi: The value that becomes 255.

    Returns:
        (height, width), uint8; all 0 for a flat map.
    """
    span = hi - lo
    unit = (values - lo) / span if span > FLAT else np.zeros_like(values)
    smooth = Image.fromarray(np.ascontiguousarray(unit, np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(np.rint(np.asarray(smooth).clip(0, 1) * 255), np.uint8)
