"""Limits of the color bar, flat maps, and maps at the size of an image."""

from __future__ import annotations

import numpy as np
import pytest

from sge.analysis.scaling import is_flat, limits, stretched
from sge.errors import ChoiceError
from tests.analyses import COARSE, FINE, made


def test_relative_limits_are_of_the_map_and_absolute_ones_of_the_block() -> None:
    maps = np.zeros((2, 6, 8), np.float32)
    maps[0, 0, 0], maps[1, 0, 0] = 0.25, 1.0
    assert limits(maps, maps[0], "relative", "mask") == (0, 0.25)
    assert limits(maps, maps[0], "absolute", "mask") == (0, 1)
    assert limits(maps - 0.5, maps[0] - 0.5, "absolute", "similarity") == (0, 0.5)
    assert limits(maps - 0.5, maps[0] - 0.5, "relative", "similarity") == (-0.25, -0.25)


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(ChoiceError, match="relative, absolute"):
        limits(np.zeros((1, 2, 2), np.float32), np.zeros((2, 2), np.float32), "log", "mask")


def test_flat_maps() -> None:
    analysis = made()
    assert is_flat(analysis.masks[COARSE][0])
    assert not is_flat(analysis.masks[FINE][0])
    assert (stretched(analysis.masks[COARSE][0], (40, 30), 0.73, 0.73) == 0).all()


def test_stretched_maps_span_the_bytes_at_the_size_asked_for() -> None:
    values = np.linspace(2, 4, 48, dtype=np.float32).reshape(6, 8)
    wide = stretched(values, (80, 60), 2, 4)
    assert (wide.shape, wide.dtype) == ((60, 80), np.uint8)
    assert (wide.min(), wide.max()) == (0, 255)
    assert stretched(values, (8, 6), 2, 3).max() == 255  # values above the upper limit are clipped
