"""Columns of a linear problem against torch's interpolation and plain sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from sge.parts.columns import (
    BlockMaps,
    Column,
    as_blocks,
    columns,
    grid_of,
    of_groups,
    rows_at,
    weighted_maps,
)


@pytest.fixture
def maps():
    rs = np.random.RandomState(0)

    def made(*shape):
        return rs.standard_normal(shape).astype(np.float32)

    return {
        "a": BlockMaps(made(3, 8, 10), made(5, 8, 10)),
        "b": BlockMaps(made(2, 4, 5)),
        "c": BlockMaps(made(4, 4, 5), made(6, 4, 5)),
    }


def dense(maps):
    """All maps on the finest grid by torch, (columns, h, w)."""
    shape = grid_of(maps)
    return np.concatenate(
        [
            interpolate(torch.from_numpy(values)[None], size=shape, mode="bicubic")[0].numpy()
            for block in maps.values()
            for values in block.maps
        ]
    )


def test_the_columns_of_blocks(maps):
    assert columns(maps) == (
        Column("a", False, 3),
        Column("a", True, 5),
        Column("b", False, 2),
        Column("c", False, 4),
        Column("c", True, 6),
    )
    assert of_groups(columns(maps)).tolist() == [True] * 3 + [False] * 5 + [True] * 6 + [False] * 6
    assert grid_of(maps) == (8, 10)


def test_rows_are_those_of_maps_that_torch_interpolates(maps):
    cells = np.array([0, 7, 33, 79])
    assert rows_at(maps, cells) == pytest.approx(dense(maps).reshape(20, -1)[:, cells].T, abs=1e-5)


def test_sums_are_those_of_maps_that_torch_interpolates(maps):
    weights = np.random.RandomState(1).standard_normal((2, 20)).astype(np.float32)
    weights[1, 14:] = 0
    expected = np.tensordot(weights, dense(maps), 1)
    assert weighted_maps(maps, weights) == pytest.approx(expected, abs=1e-4)


def test_weights_by_block(maps):
    weights = np.arange(40, dtype=np.float32).reshape(2, 20)
    weights[:, 8:10] = 0
    a, c = as_blocks(columns(maps), weights)
    assert (a.block, c.block) == ("a", "c")
    assert a.groups.tolist() == weights[:, :3].tolist()
    assert a.channels.tolist() == weights[:, 3:8].tolist()
    assert c.channels.tolist() == weights[:, 14:].tolist()
    only_groups = weights * of_groups(columns(maps))
    assert all(one.channels is None for one in as_blocks(columns(maps), only_groups))
