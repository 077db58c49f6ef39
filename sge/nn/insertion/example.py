"""An image to run a network on once, of the size that the network states."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIDE = 224
"""Side of the image in pixels, unless the network states its own input size."""


def example_shape(network: nn.Module) -> tuple[int, int, int]:
    """Channels, height and width: of timm's ``default_cfg``, or three channels and ``SIDE``."""
    channels, height, width = (getattr(network, "default_cfg", None) or {}).get("input_size", (3, SIDE, SIDE))
    return channels, height, width


def example_input(network: nn.Module) -> Tensor:
    """(1, C, H, W) of drawn values, always the same, with dtype and device of the network's parameters."""
    like = next(network.parameters())
    random = torch.Generator().manual_seed(1)
    return torch.rand(1, *example_shape(network), generator=random).to(like.device, like.dtype)
