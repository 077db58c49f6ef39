"""Convolutional Block Attention Module: Woo, Park, Lee, Kweon, ECCV 2018, https://arxiv.org/abs/1807.06521."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sge.nn.attention.gate import MapGate
from sge.nn.attention.se import REDUCTION

KERNEL = 7
"""Side of the spatial convolution's kernel (sec. 3)."""


class ConvolutionalBlockAttention(nn.Module):
    """Channel attention (eq. 2) followed by spatial attention (eq. 3).

    timm's CbamModule is not used: its channel attention has no biases, which gives 28.07 M parameters in a ResNet-50
    where the table has 28.09 M, and its spatial mask cannot be read by a hook.

    Args:
        channels: Channels of the input, at least ``reduction``.
        reduction: Factor by which the hidden layers have fewer channels.
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
        """Features times the channel mask, then times the spatial mask.

        Args:
            x: (N, C, H, W), any floating dtype.

        Returns:
            Same shape and dtype.
        """
        mean, largest = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        x = x * torch.sigmoid(self._channels(mean) + self._channels(largest))
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        mask: Tensor = self.gate(self.norm(self.spatial(summary)))
        return x * mask

    def _channels(self, pooled: Tensor) -> Tensor:
        logits: Tensor = self.expand(torch.relu(self.reduce(pooled)))
        return logits
