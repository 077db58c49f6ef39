"""Colors: perceptually uniform maps, six that distinguish pinned groups, and those of the parts."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from sge.errors import check_choice

COLOR_MAPS = ("magma", "viridis", "cividis", "inferno", "plasma")
GROUP_COLORS = ("#ffb000", "#22c7f2", "#f2479b", "#7bd34f", "#a184ff", "#ff7847")
"""Amber, sky, pink, green, violet, orange: they differ in hue and lightness, also under most color blindness."""
PART_COLORS = {"nose": "#ff7d1a", "eye": "#16d5e0"}
"""Those of the page, ``static/js/drawing/colours.js``."""


@cache
def color_table(name: str) -> npt.NDArray[np.uint8]:
    """A perceptually uniform color map.

    Returns:
        (256, 3), uint8, RGB.

    Raises:
        ChoiceError: not one of ``COLOR_MAPS``.
    """
    import matplotlib  # Slow to import, and not needed until something is drawn.

    check_choice("colormap", name, COLOR_MAPS)
    table = np.asarray(matplotlib.colormaps[name](np.arange(256)), np.float64)
    return np.asarray(np.rint(table[:, :3] * 255), np.uint8)


def rgb(color: str) -> tuple[int, int, int]:
    """``#rrggbb`` as three bytes."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
