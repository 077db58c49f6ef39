"""Bottleneck Attention Module: Park, Woo, Lee, Kweon, BMVC 2018, https://arxiv.org/abs/1807.06514."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sge.nn.attention.gate import MapGate
from sge.nn.attention.se import REDUCTION
from sge.nn.hooks import CapturableModule

DILATION = 4


class BottleneckAttention(CapturableModule):
    """Adds to the features themselves times a mask over channels and places (eq. 1-5); stands between stages.

    Channel and spatial logits are added before one sigmoid. The map that is shown is the sigmoid of the spatial
    logits alone: what the mask would be where the channel branch says nothing. Batch norms stand after the hidden
    layers, where eq. 3 and 4 have one at the end of each branch; the table's parameters agree with either.

    Args:
        channels: Channels of the input; at least ``reduction``.
        reduction: How many times fewer the hidden ones are.
    """

    groups = 1
    """One spatial map for all channels."""

    def __init__(self, channels: int, reduction: int = REDUCTION) -> None:
        super().__init__()
        self.channels = channels
        hidden = channels // reduction
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.norm = nn.BatchNorm2d(hidden)
        self.expand = nn.Conv2d(hidden, channels, 1)
        self.spatial = nn.Sequential(
            *_layer(channels, hidden, 1, 1),
            *_layer(hidden, hidden, 3, DILATION),
            *_layer(hidden, hidden, 3, DILATION),
            nn.Conv2d(hidden, 1, 1),
        )
        self.gate = MapGate()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        channels = self.expand(torch.relu(self.norm(self.reduce(x.mean((2, 3), keepdim=True)))))
        places = self.spatial(x)
        self.gate(places)  # only shown: what multiplies is the sum of both branches
        return x + x * torch.sigmoid(channels + places)


def _layer(channels: int, out: int, kernel: int, dilation: int) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    return [
        nn.Conv2d(channels, out, kernel, padding=padding, dilation=dilation),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    ]
