"""Squeeze-and-Excitation: Hu, Shen, Sun, CVPR 2018, https://arxiv.org/abs/1709.01507."""

from __future__ import annotations

from timm.layers.squeeze_excite import SEModule

REDUCTION = 16
"""Factor by which the hidden layers of SE, CBAM, BAM, GC and SK have fewer channels than their input."""


def squeeze_excitation(channels: int) -> SEModule:
    """Timm's SE module, which gates each channel by a sigmoid computed from the pooled channels (eq. 2-4).

    The divisor 1 gives the parameters of the table, 28.088 M in a ResNet-50; timm's default of 8 rounds the hidden
    channels up.

    Args:
        channels: Channels of the input, at least 16.
    """
    return SEModule(channels, rd_ratio=1 / REDUCTION, rd_divisor=1)
