"""Linear readouts of maps: weighted sums of clipped groups, and of clipped, standardized channels."""

from __future__ import annotations

import torch
from torch import Tensor

from sge.nn.module import standardize_maps, without_autocast


def readout(maps: Tensor, weights: Tensor, low: float, high: float) -> Tensor:
    """Weighted sums of clipped maps.

    Args:
        maps: (N, C, h, w), floating.
        weights: (P, C), on the device of the maps.
        low: Lower end of the range to which the maps are clipped.
        high: Its upper end.

    Returns:
        (N, P, h, w), float32, or float64 for maps in double precision.
    """
    with without_autocast(maps.device.type):
        maps = maps if maps.dtype == torch.float64 else maps.float()
        sums: Tensor = torch.nn.functional.conv2d(
            maps.clamp(low, high), weights.to(maps.dtype)[:, :, None, None]
        )
        return sums


def channel_readout(features: Tensor, weights: Tensor, low: float, high: float, eps: float) -> Tensor:
    """``readout`` of channels that are standardized over their positions.

    Args:
        features: (N, C, h, w), any floating dtype.
        weights: (P, C), on the device of the features.
        low: As for ``readout``.
        high: As for ``readout``.
        eps: Added to the standard deviation.

    Returns:
        As ``readout``.
    """
    with without_autocast(features.device.type):
        features = features if features.dtype == torch.float64 else features.float()
        return readout(standardize_maps(features, eps), weights, low, high)
