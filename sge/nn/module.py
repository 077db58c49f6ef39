"""Spatial Group-wise Enhance: Li, Li, Yang, ACCV 2022, https://arxiv.org/abs/1905.09646.

Each group of consecutive channels gets one spatial mask, from how well every place agrees with the
group's own mean:

    g    = mean of x over the places                     eq. 1
    c_i  = g . x_i                                       eq. 2
    t_i  = (c_i - mean(c)) / (std(c) + eps)              eq. 3   the similarity
    a_i  = sigmoid(weight * t_i + bias)                  eq. 4-5 the mask
    out  = x_i * a_i
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sge.errors import GroupsError, ShapeError
from sge.nn.hooks import CapturableModule

EPS = 1e-5
INACTIVE_WEIGHT, INACTIVE_BIAS = 0.0, 1.0
INACTIVE_MASK = 1 / (1 + math.exp(-INACTIVE_BIAS))
"""What a gate multiplies by before it has learned anything: sigmoid(1) = 0.7311."""


def group_similarity(x: Tensor, groups: int, eps: float = EPS) -> Tensor:
    """Similarity of every place to its group's mean, normalised over space (eq. 1-3).

    Args:
        x: Features, (N, C, H, W), any floating dtype, contiguous or channels_last.
        groups: Number of groups of consecutive channels; divides C.
        eps: Added to the standard deviation (not to the variance).

    Returns:
        (N, groups, H, W) in float32 (float64 for a float64 input), in x's memory format. In each map the
        mean is 0 and the unbiased deviation 1; a map of equal values, and so every 1x1 map, gives 0.
    """
    n, channels, height, width = x.shape
    places = height * width
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    # Autocast would turn the product back to half precision, where sums over a 112x112 map overflow.
    with torch.autocast(x.device.type, enabled=False):
        if _is_channels_last(x):
            rows = x.permute(0, 2, 3, 1).reshape(n, places, groups, channels // groups)
            products = (rows * rows.mean(1, keepdim=True)).sum(-1)
            c = products.reshape(n, height, width, groups).permute(0, 3, 1, 2)
        else:
            rows = x.reshape(n * groups, channels // groups, places)
            c = torch.bmm(rows.mean(2).unsqueeze(1), rows).reshape(n, groups, height, width)
        return standardize_maps(c, eps)


def standardize_maps(c: Tensor, eps: float = EPS) -> Tensor:
    """Each map (..., H, W) to mean 0 and unbiased deviation 1 (eq. 3); one of equal values to 0."""
    places = c.shape[-2] * c.shape[-1]
    centred = c - c.mean((-2, -1), keepdim=True)
    # A norm has a defined gradient (0) on a map of equal values, where the root of a variance has none.
    deviation = torch.linalg.vector_norm(centred, dim=(-2, -1), keepdim=True) / max(places - 1, 1) ** 0.5
    similarity: Tensor = centred / (deviation + eps)
    return similarity


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def masked(x: Tensor, mask: Tensor) -> Tensor:
    """Features (N, C, H, W) times their groups' masks (N, G, H, W), in x's dtype and memory format."""
    groups = mask.shape[1]
    # A view by strides, not a reshape: it must never copy, whatever the layout.
    grouped = x.view(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    out: Tensor = (grouped * mask.to(x.dtype).unsqueeze(2)).flatten(1, 2)
    return out


class SpatialGate(CapturableModule):
    """Turns similarity into the mask (eq. 4-5); a module of its own so that a forward hook reads both.

    The parameters belong to the parent, whose state-dict keys are the paper's.
    """

    def forward(self, similarity: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Mask of each group.

        Args:
            similarity: (N, G, H, W).
            weight: (1, G, 1, 1).
            bias: (1, G, 1, 1).

        Returns:
            (N, G, H, W), between 0 and 1, in the similarity's dtype.
        """
        dtype = similarity.dtype
        return torch.sigmoid(similarity * weight.to(dtype) + bias.to(dtype))


class SpatialGroupEnhance(CapturableModule):
    """The SGE module: multiplies each channel group by its own spatial mask.

    Two learned numbers a group, ``weight`` and ``bias``, each (1, G, 1, 1); at first 0 and 1, so that every
    mask is sigmoid(1) everywhere. On a 1x1 map, where the paper's formula has no deviation and yields NaN,
    the similarity is 0 and the mask sigmoid(bias).

    Args:
        channels: Channels of the input, if known: a wrong number of groups is then refused at once.
        groups: Number of groups; 64 everywhere in the paper.
        eps: Added to the standard deviation of each map.

    Raises:
        GroupsError: ``groups`` is not a positive divisor of the channels.
    """

    def __init__(self, channels: int | None = None, groups: int = 64, eps: float = EPS) -> None:
        super().__init__()
        if groups < 1:
            raise GroupsError(f"groups must be at least 1, not {groups}.")
        if channels is not None:
            _check_divides(channels, groups)
        self.channels = channels
        self.groups = groups
        self.eps = eps
        self.weight = nn.Parameter(torch.full((1, groups, 1, 1), INACTIVE_WEIGHT))
        self.bias = nn.Parameter(torch.full((1, groups, 1, 1), INACTIVE_BIAS))
        self.gate = SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        """Features times their groups' masks.

        Args:
            x: (N, C, H, W), any floating dtype; statistics are taken in float32 at least.

        Returns:
            Same shape, dtype and memory format as ``x``.

        Raises:
            ShapeError: ``x`` is not 4-d.
            GroupsError: the groups do not divide C.
        """
        if x.dim() != 4:
            raise ShapeError(
                f"SpatialGroupEnhance needs a feature map (N, C, H, W); it got {x.dim()} dimensions, "
                f"{tuple(x.shape)}. Put it before the pooling, or add the missing dimensions."
            )
        _check_divides(x.shape[1], self.groups)
        mask = self.gate(group_similarity(x, self.groups, self.eps), self.weight, self.bias)
        return masked(x, mask)

    def extra_repr(self) -> str:
        """Channels and groups, for ``print(network)``."""
        return f"channels={self.channels}, groups={self.groups}"


def _check_divides(channels: int, groups: int) -> None:
    if channels % groups:
        near = nearest_divisor(channels, groups)
        raise GroupsError(f"{groups} groups do not divide {channels} channels; {near} groups would.")


def nearest_divisor(channels: int, groups: int) -> int:
    """The largest number of groups, at most ``groups``, that divides ``channels``."""
    return next(g for g in range(min(groups, channels), 0, -1) if channels % g == 0)
