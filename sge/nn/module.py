"""Spatial Group-wise Enhance: Li, Li, Yang, ACCV 2022, https://arxiv.org/abs/1905.09646.

Each group of consecutive channels gets one spatial mask, computed from how similar the features at each position
are to the group's mean feature:

    g    = mean of x over the positions                  eq. 1
    c_i  = g . x_i                                       eq. 2
    t_i  = (c_i - mean(c)) / (std(c) + eps)              eq. 3   the similarity
    a_i  = sigmoid(weight * t_i + bias)                  eq. 4-5 the mask
    out  = x_i * a_i
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
import torch.fx
from torch import Tensor, nn
from torch._jit_internal import is_scripting

from sge.errors import GroupsError, ShapeError
from sge.nn.hooks import is_hooked, is_jit_traced, is_only_read, is_traced
from sge.nn.kernels.fusion import fused_gate, fused_gate_with_maps, may_fuse

EPS = 1e-5
"""Added to the standard deviation of a map (eq. 3)."""
INACTIVE_WEIGHT, INACTIVE_BIAS = 0.0, 1.0
"""Parameters of a gate before training."""
INACTIVE_MASK = 1 / (1 + math.exp(-INACTIVE_BIAS))
"""The constant mask of an inactive gate, sigmoid(1) = 0.7311."""


def group_similarity(x: Tensor, groups: int, eps: float = EPS) -> Tensor:
    """Similarity of each position's features to their group's mean, standardized over space (eq. 1-3).

    Args:
        x: Features, (N, C, H, W), any floating dtype, contiguous or channels_last.
        groups: Number of groups of consecutive channels; divides C.
        eps: Added to the standard deviation (not to the variance).

    Returns:
        (N, groups, H, W) in float32 (float64 for a float64 input), in the memory format of ``x``. Each map has mean 0
        and unbiased standard deviation 1. A map of equal values, such as any 1x1 map, gives 0.

    Raises:
        ShapeError: ``x`` does not have four dimensions, or has no position.
        GroupsError: ``groups`` does not divide C.
    """
    if is_scripting():
        similarity = standardize_maps(group_products(x, groups), eps)
    else:
        if not is_jit_traced():
            check_features(x, groups)
        # Autocast would turn the product back to half precision, where sums over a 112x112 map overflow.
        with without_autocast(x.device.type):
            similarity = standardize_maps(group_products(x, groups), eps)
    return similarity


def group_products(x: Tensor, groups: int) -> Tensor:
    """Product of each position's features with their group's mean (eq. 1-2): (N, groups, H, W), float32 or float64."""
    n, channels, height, width = x.shape
    if x.dtype != torch.float64:
        x = x.float()
    if _is_channels_last(x):
        rows = x.permute(0, 2, 3, 1).reshape(n, height * width, groups, channels // groups)
        products = (rows * rows.mean(1, keepdim=True)).sum(-1)
        return products.reshape(n, height, width, groups).permute(0, 3, 1, 2)
    rows = x.reshape(n * groups, channels // groups, height * width)
    return torch.bmm(rows.mean(2).unsqueeze(1), rows).reshape(n, groups, height, width)


def standardize_maps(c: Tensor, eps: float = EPS) -> Tensor:
    """Standardizes each map over space to mean 0 and unbiased standard deviation 1 (eq. 3).

    Args:
        c: (..., H, W), floating point.
        eps: Added to the standard deviation.

    Returns:
        Same shape and dtype; a map of equal values gives 0.
    """
    positions = c.shape[-2] * c.shape[-1]
    # This is max(positions - 1, 1) without a choice, which torch.jit.trace would fix to that of its example.
    freedom = positions - 1 + 1 // positions
    centered = c - c.mean((-2, -1), keepdim=True)
    # A norm has a defined gradient (0) on a map of equal values, where the root of a variance has none.
    std = torch.linalg.vector_norm(centered, dim=(-2, -1), keepdim=True) / freedom**0.5
    similarity: Tensor = centered / (std + eps)
    return similarity


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def masked(x: Tensor, mask: Tensor) -> Tensor:
    """Multiplies each channel by the mask of its group.

    Args:
        x: Features, (N, C, H, W).
        mask: (N, G, H, W), where G divides C.

    Returns:
        (N, C, H, W) in the dtype and memory format of ``x``.
    """
    n, channels, height, width = x.shape
    groups = mask.shape[1]
    # view, unlike reshape, never copies, whatever the memory format is.
    grouped = x.view(n, groups, channels // groups, height, width)
    out: Tensor = (grouped * mask.to(x.dtype).unsqueeze(2)).flatten(1, 2)
    return out


# Symbolic tracing keeps the two as single calls, so that a traced network takes every size.
torch.fx.wrap("group_similarity")
torch.fx.wrap("masked")


class SpatialGate(nn.Module):
    """Computes the mask from the similarity (eq. 4-5). It is a module so that a forward hook can read both.

    The parameters belong to the parent module, so that the state-dict keys are those of the paper's checkpoints.
    """

    def forward(self, similarity: Tensor, weight: Tensor, bias: Tensor, mask: Tensor | None = None) -> Tensor:
        """Sigmoid of the scaled and shifted similarity.

        Args:
            similarity: (N, G, H, W).
            weight: (1, G, 1, 1).
            bias: (1, G, 1, 1).
            mask: The result where a kernel has computed it already; it is returned as it is, for hooks to read.

        Returns:
            (N, G, H, W), between 0 and 1, in the dtype of the similarity.
        """
        if mask is not None:
            return mask
        dtype = similarity.dtype
        return torch.sigmoid(similarity * weight.to(dtype) + bias.to(dtype))


class SpatialGroupEnhance(nn.Module):
    """The SGE module: multiplies each group of channels by its own spatial mask.

    Each group has two learned numbers, in ``weight`` and ``bias`` of shape (1, G, 1, 1). They start at 0 and 1, which is
    an inactive gate: the mask is sigmoid(1) at every position. On a 1x1 map the paper's formula divides 0 by 0; here the
    similarity is 0 and the mask sigmoid(bias).

    Args:
        channels: Channels of the input, if known, so that a wrong number of groups is refused when the module is made.
        groups: Number of groups; 64 everywhere in the paper.
        eps: Added to the standard deviation of each map.

    Raises:
        GroupsError: ``groups`` is not a positive divisor of the channels.
    """

    _compiled = False
    """Also of modules that were pickled before the attribute was there."""

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
        self._compiled = False

    def forward(self, x: Tensor) -> Tensor:
        """Features times the masks of their groups.

        Args:
            x: (N, C, H, W), any floating dtype; the statistics are computed in float32 or float64.

        Returns:
            Same shape, dtype and memory format as ``x``.

        Raises:
            ShapeError: ``x`` does not have four dimensions, or is not floating.
            GroupsError: The number of groups does not divide C.
        """
        return self.enhanced(x)

    def enhanced(self, x: Tensor) -> Tensor:
        """``forward`` of this class, also where a subclass does more."""
        # torch.jit.script leaves out what depends on the first condition, but only where it stands alone.
        if not is_scripting():
            if may_fuse(x, self.weight, self.groups):
                fused = self._fused(x)
                if fused is not None:
                    return fused
            if self._compiled and not is_traced():
                check_features(x, self.groups)
                similarity, multiply = _compiled_functions()
                mask = self.gate(similarity(x, self.groups, self.eps), self.weight, self.bias)
                return multiply(x, mask)
        mask = self.gate(group_similarity(x, self.groups, self.eps), self.weight, self.bias)
        return masked(x, mask)

    @torch.jit.unused
    def _fused(self, x: Tensor) -> Tensor | None:
        """The output by the GPU kernel; None where somebody edits the mask or needs the gradient of a mask that is read."""
        if type(self.gate) is SpatialGate and not is_hooked(self.gate):
            return fused_gate(x, self.weight, self.bias, self.groups, self.eps, _enhanced)
        graph = torch.is_grad_enabled() and any(t.requires_grad for t in (x, self.weight, self.bias))
        if graph or is_traced() or not is_only_read(self.gate):
            return None
        out, similarity, mask = fused_gate_with_maps(x, self.weight, self.bias, self.groups, self.eps)
        self.gate(similarity, self.weight, self.bias, mask)  # for the hooks, which read both
        return out

    def compile_statistics(self) -> None:
        """Computes similarity and product by compiled functions from now on; needs a C++ compiler.

        Eager code passes over a channels_last tensor once for each operation, compiled code a few times in all. Only
        this module changes; its copies and pickles keep the choice, its state dict does not. Where the GPU kernel applies
        (``sge/nn/kernels/fusion.py``), it is preferred to compiled code.
        """
        self._compiled = True

    def extra_repr(self) -> str:
        """Channels and groups, shown by ``print(network)``."""
        return f"channels={self.channels}, groups={self.groups}"


def _enhanced(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
    similarity = group_similarity(x, groups, eps)
    return masked(x, torch.sigmoid(similarity * weight.to(similarity.dtype) + bias.to(similarity.dtype)))


@cache
def _compiled_functions() -> tuple[
    Callable[[Tensor, int, float], Tensor], Callable[[Tensor, Tensor], Tensor]
]:
    # All modules share these functions, which are compiled once for each shape: more often than torch allows by default.
    many_shapes = torch._dynamo.config.patch(recompile_limit=64)
    return (
        many_shapes(torch.compile(group_similarity, dynamic=False)),
        many_shapes(torch.compile(masked, dynamic=False)),
    )


def without_autocast(device: str) -> AbstractContextManager[object]:
    """Context manager without autocast on a kind of device."""
    available = torch.amp.autocast_mode.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if available else nullcontext()


def check_features(x: Tensor, groups: int, kind: str = "SpatialGroupEnhance") -> None:
    """Checks the input of an SGE module of a class named ``kind``.

    Raises:
        ShapeError: It does not have four dimensions, no position, or is not floating.
        GroupsError: The groups do not divide its channels.
    """
    if x.dim() != 4 or 0 in x.shape[2:]:
        raise ShapeError(
            f"{kind} needs a feature map (N, C, H, W); the input has shape {tuple(x.shape)}. Put the "
            "module before the pooling, or add the missing dimensions."
        )
    if not x.is_floating_point():
        raise ShapeError(f"{kind} needs floating-point features; these are {x.dtype}. Call float() on them.")
    _check_divides(x.shape[1], groups)


def _check_divides(channels: int, groups: int) -> None:
    if channels % groups:
        near = nearest_divisor(channels, groups)
        raise GroupsError(f"{groups} groups do not divide {channels} channels; {near} groups would.")


def nearest_divisor(channels: int, groups: int) -> int:
    """Largest divisor of ``channels`` that is at most ``groups``."""
    return next(g for g in range(min(groups, channels), 0, -1) if channels % g == 0)
