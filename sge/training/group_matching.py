"""Assigns each SGE group of the student to one group of the teacher, by the correlation of their maps."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from sge.training.distributed import DistributedContext

GATHERING_STEPS = 40
"""Steps over which correlations are summed before the groups are matched."""


def correlations(similarity: Tensor, teacher: Tensor) -> Tensor:
    """Correlation of every group with every group of the teacher, averaged over the batch.

    Args:
        similarity: The student's, (N, G, h, w), standardized in each map.
        teacher: The teacher's, (N, G', h, w), standardized in each map.

    Returns:
        (G, G').
    """
    n, _, height, width = similarity.shape
    products = torch.einsum("nghw,nkhw->gk", similarity.float(), teacher)
    # Both standard deviations are unbiased, so that the sum is divided by one less than the positions.
    return products / (n * max(height * width - 1, 1))


def assign_groups(correlation: Tensor) -> Tensor:
    """One-to-one assignment with the largest sum of correlations (Hungarian method).

    Args:
        correlation: (G, G').

    Returns:
        (G,), int64: the index of the teacher's group, or -1 where the student has more groups.
    """
    rows, columns = linear_sum_assignment(correlation.cpu().numpy(), maximize=True)
    match = torch.full((len(correlation),), -1, dtype=torch.long)
    match[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return match.to(correlation.device)


class GroupMatching:
    """Matches the groups once, from correlations summed over ``GATHERING_STEPS`` steps.

    Args:
        start: The step from which correlations are summed.
        distributed: The processes, whose correlations are averaged.
    """

    def __init__(self, start: int, distributed: DistributedContext) -> None:
        self.start, self.distributed = start, distributed
        self.matches: dict[str, Tensor] = {}
        """By block: (G,), the index of the teacher's group or -1; empty until the groups are matched."""
        self._sums: dict[str, Tensor] = {}

    def observe(self, similarity: Mapping[str, Tensor], teacher: Mapping[str, Tensor], step: int) -> None:
        """Adds one batch; does nothing before ``start`` and after the groups are matched.

        Args:
            similarity: By block: the student's, (N, G, h, w).
            teacher: By the student's block: the teacher's, (N, G', h, w).
            step: Steps done before this batch.
        """
        if self.matches or step < self.start:
            return
        for block, maps in teacher.items():
            found = correlations(similarity[block].detach(), maps)
            self._sums[block] = self._sums.get(block, torch.zeros_like(found)) + found
        if step >= self.start + GATHERING_STEPS:
            self.matches = {
                block: assign_groups(self.distributed.mean(found)) for block, found in self._sums.items()
            }
            self._sums = {}

    def synchronize(self) -> None:
        """Gives all processes the mean of their sums, so that one of them can save the state of all."""
        self._sums = {block: self.distributed.mean(found) for block, found in self._sums.items()}

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """Matches and sums, for the saved state of the training."""
        return {"matches": self.matches, "sums": self._sums}

    def load_state_dict(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Restores what ``state_dict`` returned, on this process's device."""
        device = self.distributed.device
        self.matches = {block: match.to(device) for block, match in state["matches"].items()}
        self._sums = {block: found.to(device) for block, found in state["sums"].items()}
