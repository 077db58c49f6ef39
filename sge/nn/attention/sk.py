"""Selective Kernel: Li, Wang, Hu, Yang, CVPR 2019, https://arxiv.org/abs/1903.06586.

The paper's table counts a light variant in a plain ResNet, whose numbers (26.15 M and 45.68 M parameters, 4.185 G
and 7.978 G multiplications) arise so: the block's 3x3 convolution stays as one branch, the other one is a 3x3
convolution in 32 groups, dilated by 2; two layers without biases choose between them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sge.nn.attention.se import REDUCTION

GROUPS = 32
DILATION = 2


class SelectiveKernel(nn.Module):
    """Stands for a 3x3 convolution, its norm and its ReLU: each channel chooses between two kernels (eq. 1-6).

    Args:
        channels: Channels of input and output; a multiple of 32.
        stride: Of both branches.
    """

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.near = self._branch(channels, stride, 1, 1)
        self.far = self._branch(channels, stride, DILATION, GROUPS)
        hidden = channels // REDUCTION
        self.reduce = nn.Conv2d(channels, hidden, 1, bias=False)
        self.norm = nn.BatchNorm2d(hidden)
        self.choose = nn.Conv2d(hidden, 2 * channels, 1, bias=False)

    @staticmethod
    def _branch(channels: int, stride: int, dilation: int, groups: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(channels, channels, 3, stride, dilation, dilation=dilation, groups=groups, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H', W'), not negative."""
        near, far = self.near(x), self.far(x)
        pooled = (near + far).mean((2, 3), keepdim=True)
        logits = self.choose(torch.relu(self.norm(self.reduce(pooled))))
        first, second = logits.unflatten(1, (2, -1)).softmax(1).unbind(1)
        out: Tensor = near * first + far * second
        return out
