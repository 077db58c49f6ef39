"""Ablations of one image as the rows of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sge.analysis import Groups

Removed = Mapping[str, npt.NDArray[np.bool_]]
"""Block name to (K, G), bool: whether each of K ablations removes the group."""


@dataclass(frozen=True)
class Rows:
    """K ablations of one image."""

    removed: Removed
    count: int
    """K, also if no block is concerned."""
    flat: bool = False
    """A removed group's mask becomes its mean over space instead of 0."""

    def part(self, chosen: Sequence[int]) -> Rows:
        """The ablations with the given numbers."""
        rows = list(chosen)
        return Rows({name: removed[rows] for name, removed in self.removed.items()}, len(rows), self.flat)

    def distinct(self) -> tuple[list[int], list[int]]:
        """Numbers of the ablations that differ, and for each ablation the position of its like among them."""
        seen: dict[bytes, int] = {}
        first: list[int] = []
        like: list[int] = []
        for row in range(self.count):
            key = b"".join(removed[row].tobytes() for removed in self.removed.values())
            if key not in seen:
                seen[key] = len(first)
                first.append(row)
            like.append(seen[key])
        return first, like


def removed_groups(sizes: Mapping[str, int], ablations: Sequence[Groups], mode: str) -> Rows:
    """One row for the unchanged network, then one for each ablation.

    Args:
        sizes: Block name to its number of groups.
        ablations: All of the same blocks.
        mode: One of ``MODES``.
    """
    removed = {}
    for name in ablations[0]:
        chosen = np.zeros((len(ablations), sizes[name]), bool)
        for row, ablation in enumerate(ablations):
            chosen[row, ablation[name]] = True
        changed = ~chosen if mode == "only" else chosen
        removed[name] = np.concatenate([np.zeros_like(changed[:1]), changed])
    return Rows(removed, len(ablations) + 1, mode == "mean")
