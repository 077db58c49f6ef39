"""Bottleneck Attention Module: Park, Woo, Lee, Kweon, BMVC 2018, https://arxiv.org/abs/1807.06514. timm has none."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sge.nn.attention.gate import MapGate
from sge.nn.attention.se import REDUCTION

DILATION = 4
"""Dilation of the spatial branch's 3x3 convolutions (sec. 3)."""


class BottleneckAttention(nn.Module):
    """Residual attention ``x + x * mask`` with one mask over channels and positions (eq. 1-5); placed between stages.

    The mask is the sigmoid of the sum of channel logits and spatial logits. A capture records the sigmoid of the spatial
    logits alone, which equals the mask where the channel logits are 0. The batch norms follow the hidden layers, while
    eq. 3 and 4 have one at the end of each branch; both agree with the parameter counts of the table.

    Args:
        channels: Channels of the input, at least ``reduction``.
        reduction: Factor by which the hidden layers have fewer channels.
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
        """Features plus features times mask.

        Args:
            x: (N, C, H, W), any floating dtype.

        Returns:
            Same shape and dtype.
        """
        channels = self.expand(torch.relu(self.norm(self.reduce(x.mean((2, 3), keepdim=True)))))
        positions = self.spatial(x)
        self.gate(positions)  # for captures only: the features are multiplied by the mask of both branches
        return x + x * torch.sigmoid(channels + positions)


def _layer(channels: int, out: int, kernel: int, dilation: int) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    return [
        nn.Conv2d(channels, out, kernel, padding=padding, dilation=dilation),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    ]
