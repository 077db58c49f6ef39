"""The maps of one image at one input size as columns of a linear problem: one column a group, one a channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sge.arrays import Array
from sge.parts.detector import BlockReadout
from sge.parts.resample import interpolation_matrix, resampled

Cells = npt.NDArray[np.intp]
"""(N,) indices into a grid whose rows lie one after the other."""


@dataclass(frozen=True)
class BlockMaps:
    """What a detector may read of one block."""

    groups: Array
    """(G, h, w): similarity, clipped to ``sge.parts.find.CLIP``."""
    channels: Array | None = None
    """(C, h, w): channels at the input of the block's SGE module, standardized over the positions and clipped alike."""

    @property
    def maps(self) -> tuple[Array, ...]:
        """Groups, and then channels if there are any."""
        return (self.groups,) if self.channels is None else (self.groups, self.channels)


Maps = Mapping[str, BlockMaps]
"""Block name to its maps, in the order of the network."""


@dataclass(frozen=True)
class Column:
    """A run of columns: the groups or the channels of one block."""

    block: str
    channels: bool
    count: int


def columns(maps: Maps) -> tuple[Column, ...]:
    """The columns that ``rows_at`` gives, in their order."""
    return tuple(
        Column(name, bool(at), len(values))
        for name, block in maps.items()
        for at, values in enumerate(block.maps)
    )


def grid_of(maps: Maps) -> tuple[int, int]:
    """Rows and columns of the finest block, on which a detector's blocks are added."""
    height, width = max(block.groups.shape[1:] for block in maps.values())
    return height, width


def rows_at(maps: Maps, cells: Cells) -> Array:
    """Values of all maps at cells of the finest grid; those of coarser blocks are interpolated bicubically.

    Returns:
        (N, columns), float32.
    """
    height, width = grid_of(maps)
    row, col = cells // width, cells % width
    parts = []
    for block in maps.values():
        for values in block.maps:
            if values.shape[1:] == (height, width):
                parts.append(values[:, row, col].T)
                continue
            vertical = interpolation_matrix(values.shape[1], height)[row]
            horizontal = interpolation_matrix(values.shape[2], width)[col]
            both = (vertical[:, :, None] * horizontal[:, None, :]).reshape(len(cells), -1)
            parts.append(np.asarray(both @ values.reshape(len(values), -1).T, np.float32))
    return np.concatenate(parts, 1)


def weighted_maps(maps: Maps, weights: Array) -> Array:
    """Sums of all maps with K sets of weights, on the finest grid.

    Args:
        maps: Of one image.
        weights: (K, columns).

    Returns:
        (K, h, w), float32.
    """
    shape = grid_of(maps)
    total = np.zeros((len(weights), *shape), np.float32)
    start = 0
    for block in maps.values():
        size = block.groups.shape[1:]
        block_sum = np.zeros((len(weights), size[0] * size[1]), np.float32)
        for values in block.maps:
            used = weights[:, start : start + len(values)]
            start += len(values)
            if used.any():
                block_sum += used @ values.reshape(len(values), -1)
        block_maps = block_sum.reshape(-1, *size)
        total += block_maps if size == shape else resampled(block_maps, shape)
    return total


def as_blocks(runs: Sequence[Column], weights: Array) -> tuple[BlockReadout, ...]:
    """Weights by block; a block whose weights are all 0 is left out.

    Args:
        runs: Of ``columns``.
        weights: (P, columns).
    """
    found: dict[str, dict[bool, Array]] = {}
    start = 0
    for run in runs:
        used = np.ascontiguousarray(weights[:, start : start + run.count], np.float32)
        start += run.count
        if used.any():
            found.setdefault(run.block, {})[run.channels] = used
    return tuple(BlockReadout(block, one.get(False), one.get(True)) for block, one in found.items())


def of_groups(runs: Sequence[Column]) -> npt.NDArray[np.bool_]:
    """(columns,): whether a column is a group."""
    return np.concatenate([np.full(run.count, not run.channels) for run in runs])
