"""Chooses the sizes of the kernels' tiles and starts them. Importing this file imports Triton."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from sge.nn.kernels import triton_gate

_RESIDENT = 16384
"""Most elements of a tile that is kept in registers."""
_VALUES = 4096 * 14
"""Most numbers that a resident backward tile keeps, by ``_values``: more would not fit into the registers."""
_CHUNK = 8192
"""Numbers of a tile of the looped kernels, forward; the backward pass keeps twice as many."""
_SMALL = 2048
"""A program with fewer elements takes several groups."""
_SECTOR = 32
"""Bytes that memory moves at least. In channels_last, groups share a program until a row of it has as many, or half as
many if whole maps would not fit otherwise."""
_PROGRAMS = 128
"""Programs that keep a large GPU busy; groups share a program only while there are more."""
_PER_THREAD = 64
"""Elements of a resident tile for each thread. On an H200 (scripts/gpu/bench_gate.py), 64 took 0.5 to 0.97 of the time of
32 in each of the six tiles of ResNet-50's shapes where the two differ."""
_WARPS_LOOPED = 8


@dataclass(frozen=True)
class Tiling:
    """Sizes of a kernel's tile, powers of two."""

    positions: int
    groups: int
    channels: int
    resident: bool
    """Whether the tile holds whole maps."""
    warps: int


@lru_cache(maxsize=4096)
def tiling(
    images: int, groups: int, size: int, positions: int, item: int, last: bool, backward: bool
) -> Tiling:
    """The tile for a shape.

    Args:
        images: N.
        groups: G.
        size: Channels of a group, C / G.
        positions: H * W.
        item: Bytes of an element.
        last: Whether the memory format is channels_last.
        backward: Whether it is for the backward pass.
    """
    whole, padded, wide = _power(positions), _power(size), 1

    def may_widen() -> bool:
        return 2 * wide <= _power(groups) and images * -(-groups // (2 * wide)) >= _PROGRAMS

    def fits(maps: int) -> bool:
        elements = whole * maps * padded
        if not backward:
            return elements <= _RESIDENT
        loose = last and size != padded  # Loads of single elements need twice the registers for addresses.
        return (
            elements <= (_RESIDENT // 2 if loose else _RESIDENT) and whole * maps * _values(padded) <= _VALUES
        )

    while may_widen() and (whole * wide * padded < _SMALL or (last and wide * size * item < _SECTOR)):
        wide *= 2
    if last and wide > 1 and wide * size * item >= _SECTOR and fits(wide // 2):
        wide = wide if fits(wide) else wide // 2
    if fits(wide):
        warps = min(max(whole * wide * padded // (32 * _PER_THREAD), 4), 16)
        return Tiling(whole, wide, padded, True, warps)
    rows = 2 * _CHUNK // _values(padded) // wide
    return Tiling(min(whole, max(_power(rows + 1) // 2, 8)), wide, padded, False, _WARPS_LOOPED)


def _values(channels: int) -> int:
    """Numbers that a program keeps for one position of one group: two tiles and about six maps, or half of that."""
    return 2 * channels + 6


def forward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    groups: int,
    eps: float,
    *,
    save: bool = False,
    maps: bool = False,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """Features times masks.

    Args:
        x: (N, C, H, W), contiguous or channels_last; float32, bfloat16 or float16.
        weight: (1, G, 1, 1).
        bias: (1, G, 1, 1).
        groups: G.
        eps: Added to the deviation.
        save: Also return what the backward pass needs.
        maps: Also return similarity and mask.

    Returns:
        Output like ``x``; means (N, C) and statistics (N, 2, G) in float32, or None; similarity and mask (N, G, H, W) in
        float32 and the memory format of ``x``, or None.
    """
    n, channels, height, width = x.shape
    last = is_channels_last(x)
    out = torch.empty_like(x)
    mean = stats = similarity = mask = None
    if save:
        mean = torch.empty((n, channels), dtype=torch.float32, device=x.device)
        stats = torch.empty((n, 2, groups), dtype=torch.float32, device=x.device)
    if maps:
        layout = torch.channels_last if last else torch.contiguous_format
        similarity = torch.empty(
            (n, groups, height, width), dtype=torch.float32, device=x.device, memory_format=layout
        )
        mask = torch.empty_like(similarity)
    tile = tiling(n, groups, channels // groups, height * width, x.element_size(), last, False)
    kernel = triton_gate.forward_resident if tile.resident else triton_gate.forward_looped
    # Arguments that a variant does not use stand as x: a pointer that is never read or written.
    pointers = [t if t is not None else x for t in (mean, stats, similarity, mask)]
    _start(
        kernel, tile, x, (x, weight, bias, out, *pointers), groups, eps, last, {"SAVE": save, "MAPS": maps}
    )
    return out, mean, stats, similarity, mask


def backward(
    x: Tensor, dy: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, stats: Tensor, groups: int, eps: float
) -> tuple[Tensor, Tensor]:
    """Gradients of the features, like ``x``, and of weight and bias, (2, G) in float32.

    Args:
        x: Input of the forward pass.
        dy: Gradient of its output, in the dtype and memory format of ``x``.
        weight: (1, G, 1, 1).
        bias: (1, G, 1, 1).
        mean: As ``forward`` returned it.
        stats: Likewise.
        groups: G.
        eps: As in the forward pass.
    """
    n, channels, height, width = x.shape
    last = is_channels_last(x)
    dx = torch.empty_like(x)
    parts = torch.empty_like(stats)
    tile = tiling(n, groups, channels // groups, height * width, x.element_size(), last, True)
    kernel = triton_gate.backward_resident if tile.resident else triton_gate.backward_looped
    _start(kernel, tile, x, (x, dy, weight, bias, mean, stats, dx, parts), groups, eps, last, {})
    return dx, parts.sum(0)


def is_channels_last(x: Tensor) -> bool:
    """Whether the kernels walk through ``x`` channel by channel; False for a layout that is both."""
    return not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


def _start(
    kernel: Any,
    tile: Tiling,
    x: Tensor,
    pointers: tuple[Tensor, ...],
    groups: int,
    eps: float,
    last: bool,
    options: dict[str, bool],
) -> None:
    n, channels, height, width = x.shape
    positions = height * width
    factor = min(positions & -positions, 16)
    grid = (n * -(-groups // tile.groups),)
    sizes = {"PB": tile.positions, "GB": tile.groups, "SB": tile.channels}
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]  # Triton starts kernels on the current device.
        kernel[grid](
            *pointers,
            positions // factor,
            eps,
            G=groups,
            S=channels // groups,
            V=factor,
            LAST=last,
            **sizes,
            **options,
            num_warps=tile.warps,
        )


def _power(number: int) -> int:
    return 1 << (number - 1).bit_length()
