"""Colours: perceptually even maps, and six that tell pinned groups apart."""

from __future__ import annotations

from functools import cache

import matplotlib
import numpy as np
import numpy.typing as npt

from sge.errors import check_choice

COLOUR_MAPS = ("magma", "viridis", "cividis", "inferno", "plasma")
GROUP_COLOURS = ("#ffb000", "#22c7f2", "#f2479b", "#7bd34f", "#a184ff", "#ff7847")
"""Amber, sky, pink, green, violet, orange: told apart by hue and lightness, also by most colour-blind eyes."""


@cache
def colour_table(name: str) -> npt.NDArray[np.uint8]:
    """256 x 3 bytes of a perceptually even map.

    Raises:
        ChoiceError: not one of ``COLOUR_MAPS`` (jet never is).
    """
    check_choice("colormap", name, COLOUR_MAPS)
    table = np.asarray(matplotlib.colormaps[name](np.arange(256)), np.float64)
    return np.asarray(np.rint(table[:, :3] * 255), np.uint8)


def rgb(colour: str) -> tuple[int, int, int]:
    """``#rrggbb`` as three bytes."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
