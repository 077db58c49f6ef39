"""Drawn images on which an exported file is compared with its network: smooth as photos are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from sge.models.onnx_trial import MULTIPLE

SMALLEST = (2 * MULTIPLE, 3 * MULTIPLE)
"""Height and width of the smallest image, in pixels."""


def smooth_image(shape: tuple[int, int, int, int], seed: int) -> Tensor:
    """A normalized image in which coarse patterns are stronger than fine ones, with mean 0 and standard deviation 1."""
    random = torch.Generator().manual_seed(seed)
    image = torch.zeros(shape)
    for octave in (1, 2, 4, 8, 16):
        sides = [max(2, side * octave // 64) for side in shape[2:]]
        layer = torch.randn((*shape[:2], *sides), generator=random)
        image += interpolate(layer, shape[2:], mode="bilinear") / octave
    return (image - image.mean()) / image.std()


def scale_for(network: nn.Module, channels: int) -> int:
    """By which the images are enlarged for a network: 1, or 2 if it fails on the smallest of them."""
    try:
        with torch.no_grad():
            network(smooth_image((1, channels, *SMALLEST), 0))
    except Exception:  # A foreign forward may raise anything where it does not take a size.
        return 2
    return 1
