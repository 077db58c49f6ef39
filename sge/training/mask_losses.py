"""Losses on SGE masks: they penalize masks that are constant over space, and masks that are open everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def mask_std(mask: Tensor) -> Tensor:
    """Unbiased standard deviation over space of each group's mask, averaged over the batch.

    Args:
        mask: (N, G, h, w), between 0 and 1.

    Returns:
        (G,), in the mask's dtype.
    """
    positions = mask.shape[2] * mask.shape[3]
    centered = mask - mask.mean((2, 3), keepdim=True)
    # The gradient of a norm is defined (0) on a constant mask; that of the root of a variance is not.
    std: Tensor = torch.linalg.vector_norm(centered, dim=(2, 3)) / max(positions - 1, 1) ** 0.5
    return std.mean(0)


def openness(mask: Tensor) -> Tensor:
    """Mean of each mask over space divided by its maximum, averaged over the batch.

    Args:
        mask: (N, G, h, w), between 0 and 1.

    Returns:
        (G,); 1 for a constant mask.
    """
    return (mask.mean((2, 3)) / mask.amax((2, 3))).mean(0)


def flatness_loss(masks: Sequence[Tensor], target_std: float) -> Tensor:
    """Shortfall of each mask's standard deviation from the target, as a fraction of the target.

    The loss of a group is 0 once its mask reaches the target; beyond it the image alone decides. Openness
    cannot replace this loss: a large negative bias makes the mean of a mask small beside its maximum while
    the mask is closed nearly everywhere.

    Args:
        masks: One (N, G, h, w) for each block.
        target_std: Standard deviation over space that each mask should reach.

    Returns:
        Scalar, the mean over groups and blocks; 1 when every mask is constant.
    """
    return torch.stack([F.relu(1 - mask_std(mask) / target_std).mean() for mask in masks]).mean()


def openness_loss(masks: Sequence[Tensor]) -> Tensor:
    """Mean of ``openness`` over groups and blocks; a scalar, 1 when every mask is constant."""
    return torch.stack([openness(mask).mean() for mask in masks]).mean()
