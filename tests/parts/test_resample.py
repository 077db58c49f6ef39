"""Bicubic resampling, compared with torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from sge.parts.resample import interpolation_matrix, resampled

SIDES = st.integers(1, 40)


@settings(max_examples=200, deadline=None)
@given(height=SIDES, width=SIDES, rows=SIDES, columns=SIDES, seed=st.integers(0, 9))
def test_it_equals_torch(height, width, rows, columns, seed):
    maps = np.random.RandomState(seed).standard_normal((3, height, width)).astype(np.float32)
    double = torch.from_numpy(maps).double()[None]  # torch computes positions in the precision of the maps
    resized = F.interpolate(double, (rows, columns), mode="bicubic", align_corners=False)
    found = resampled(maps, (rows, columns))
    assert found.dtype == np.float32
    assert found.shape == (3, rows, columns)
    assert np.abs(found - resized[0].numpy()).max() < 3e-6


@pytest.mark.parametrize(("source", "target"), [(1, 5), (7, 14), (14, 7), (10, 3)])
def test_constants_are_kept(source, target):
    assert interpolation_matrix(source, target).sum(1) == pytest.approx(np.ones(target), abs=1e-6)


def test_the_same_grid_is_the_identity():
    maps = np.random.RandomState(0).standard_normal((2, 5, 6)).astype(np.float32)
    assert np.array_equal(resampled(maps, (5, 6)), maps)
