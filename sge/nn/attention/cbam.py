"""Convolutional Block Attention Module: Woo, Park, Lee, Kweon, ECCV 2018, https://arxiv.org/abs/1807.06521."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sge.nn.attention.gate import MapGate
from sge.nn.attention.se import REDUCTION
from sge.nn.hooks import CapturableModule

KERNEL = 7


class ConvolutionalBlockAttention(CapturableModule):
    """First each channel by one number (eq. 2), then each place by one (eq. 3).

    Args:
        channels: Channels of the input; at least ``reduction``.
        reduction: How many times fewer the hidden ones are.
    """

    groups = 1
    """One spatial map for all channels."""

    def __init__(self, channels: int, reduction: int = REDUCTION) -> None:
        super().__init__()
        self.channels = channels
        self.reduce = nn.Conv2d(channels, channels // reduction, 1)
        self.expand = nn.Conv2d(channels // reduction, channels, 1)
        self.spatial = nn.Conv2d(2, 1, KERNEL, padding=KERNEL // 2, bias=False)
        self.norm = nn.BatchNorm2d(1)
        self.gate = MapGate()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        mean, largest = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        x = x * torch.sigmoid(self._channels(mean) + self._channels(largest))
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        mask: Tensor = self.gate(self.norm(self.spatial(summary)))
        return x * mask

    def _channels(self, pooled: Tensor) -> Tensor:
        logits: Tensor = self.expand(torch.relu(self.reduce(pooled)))
        return logits
