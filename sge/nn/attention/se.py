"""Squeeze-and-Excitation: Hu, Shen, Sun, CVPR 2018, https://arxiv.org/abs/1709.01507."""

from __future__ import annotations

import torch
from torch import Tensor, nn

REDUCTION = 16


class SqueezeExcitation(nn.Module):
    """Scales each channel by a number between 0 and 1 that all channels' means decide (eq. 2-4).

    Args:
        channels: Channels of the input; at least ``reduction``.
        reduction: How many times fewer the hidden ones are.
    """

    def __init__(self, channels: int, reduction: int = REDUCTION) -> None:
        super().__init__()
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, channels // reduction, 1)
        self.expand = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        hidden = torch.relu(self.reduce(self.squeeze(x)))
        return x * torch.sigmoid(self.expand(hidden))
