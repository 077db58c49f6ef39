"""Selective Kernel: Li, Wang, Hu, Yang, CVPR 2019, https://arxiv.org/abs/1903.06586.

The SGE paper's table counts a light variant in a plain ResNet (26.15 M parameters and 4.185 G multiplications at depth
50, 45.68 M and 7.978 G at depth 101). This file reproduces those counts: the block's 3x3 convolution stays as one branch,
the other branch is a 3x3 convolution in 32 groups with dilation 2, and two layers without biases choose between them.
timm's SelectiveKernel is another variant: with 256 channels it has 603,168 parameters (two grouped branches over halves
of the input) or 1,192,992, and this one has 621,600.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sge.nn.attention.se import REDUCTION

GROUPS = 32
"""Groups of the dilated branch's convolution."""
DILATION = 2
"""Dilation of that convolution."""


class SelectiveKernel(nn.Module):
    """Replaces a 3x3 convolution, its norm and its ReLU; each channel weighs two kernels by a softmax (eq. 1-6).

    Args:
        channels: Channels of input and output, a multiple of 32.
        stride: Stride of both branches.
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
        """Weighted sum of the two branches.

        Args:
            x: (N, C, H, W), any floating dtype.

        Returns:
            (N, C, H', W') in the same dtype, not negative; H' and W' are H and W divided by the stride.
        """
        near, far = self.near(x), self.far(x)
        pooled = (near + far).mean((2, 3), keepdim=True)
        logits = self.choose(torch.relu(self.norm(self.reduce(pooled))))
        first, second = logits.unflatten(1, (2, -1)).softmax(1).unbind(1)
        out: Tensor = near * first + far * second
        return out
