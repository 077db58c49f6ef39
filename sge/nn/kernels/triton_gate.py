"""Triton kernels of the SGE module, forward and backward. Only ``launch.py`` imports this file; it needs Triton.

One program computes the masks of ``GB`` neighbouring groups of one image. A tile has the axes (positions, groups,
channels of a group), padded to powers of two. In the ``resident`` kernels the tile holds the whole map, so that every
number is read once; the ``looped`` ones go over the map in chunks, three times forward and twice backward, and find it
in the L2 cache after the first time. All arithmetic is in float32.

The equations are those of ``sge/nn/module.py``, with one rearrangement: c_i - |g|^2 is computed as g . (x_i - g), which
loses less to rounding, and whatever error of the mean remains is subtracted with the mean of the map. ``shift`` is that
mean (a rounding error) and ``deviation`` the unbiased standard deviation, both kept for the backward pass.

Positions are given as ``quotient * V``, V a power of two, so that the compiler knows how loads are aligned.
"""

# ruff: noqa: N803 (constants of a kernel are in capitals, as in every Triton program)

from __future__ import annotations

import triton
import triton.language as tl

SMALLEST = tl.constexpr(1e-30)
"""A standard deviation below this counts as 0: it has no gradient."""
STAGES = tl.constexpr(3)
"""Chunks in flight in the looped kernels."""


@triton.jit
def _tile(block, start, positions, G: tl.constexpr, S: tl.constexpr, PB: tl.constexpr, GB: tl.constexpr,
          SB: tl.constexpr, LAST: tl.constexpr):  # fmt: skip
    """Offsets of a tile from its image's first element, and which of its elements exist, (PB, GB, SB)."""
    p = (start + tl.arange(0, PB))[:, None, None]
    g = (block * GB + tl.arange(0, GB))[None, :, None]
    s = tl.arange(0, SB)[None, None, :]
    inside = (p < positions) & (g < G)
    if S != SB:
        inside = inside & (s < S)
    # Without the product with 1 the mask of full groups would lack the last axis.
    inside = inside & (s < SB)
    channel = g * S + s
    return (p * (G * S) + channel if LAST else channel * positions + p), inside


@triton.jit
def _map_tile(
    block, start, positions, G: tl.constexpr, PB: tl.constexpr, GB: tl.constexpr, LAST: tl.constexpr
):
    """Offsets of a tile of maps from its image's first map, and which of its elements exist, (PB, GB)."""
    p = (start + tl.arange(0, PB))[:, None]
    g = (block * GB + tl.arange(0, GB))[None, :]
    return (p * G + g if LAST else g * positions + p), (p < positions) & (g < G)


@triton.jit
def _channels(block, G: tl.constexpr, S: tl.constexpr, GB: tl.constexpr, SB: tl.constexpr):
    """Numbers of the channels of a block of groups, and which of them exist, (GB, SB)."""
    g = (block * GB + tl.arange(0, GB))[:, None]
    s = tl.arange(0, SB)[None, :]
    return g * S + s, (g < G) & (s < S)


@triton.jit
def _groups(block, G: tl.constexpr, GB: tl.constexpr):
    g = block * GB + tl.arange(0, GB)
    return g, g < G


@triton.jit
def _parameters(weight, bias, block, G: tl.constexpr, GB: tl.constexpr):
    g, there = _groups(block, G, GB)
    return (
        tl.load(weight + g, mask=there, other=0.0).to(tl.float32),
        tl.load(bias + g, mask=there, other=0.0).to(tl.float32),
    )


@triton.jit
def _save_statistics(mean_at, stats_at, image, block, mean, shift, deviation, G: tl.constexpr, S: tl.constexpr,
                     GB: tl.constexpr, SB: tl.constexpr):  # fmt: skip
    """Writes means (N, C) and, as (N, 2, G), shifts and deviations."""
    channel, exists = _channels(block, G, S, GB, SB)
    tl.store(mean_at + image * (G * S) + channel, mean, mask=exists)
    g, there = _groups(block, G, GB)
    tl.store(stats_at + image * (2 * G) + g, shift, mask=there)
    tl.store(stats_at + image * (2 * G) + G + g, deviation, mask=there)


@triton.jit
def _products(x, mean, inside):
    """Products g . (x_i - g), (PB, GB), and x_i - g, (PB, GB, SB)."""
    centred = tl.where(inside, x - mean[None, :, :], 0.0)
    return tl.sum(centred * mean[None, :, :], axis=2), centred


@triton.jit(do_not_specialize=["quotient"])
def forward_resident(x_at, weight, bias, out_at, mean_at, stats_at, similarity_at, mask_at, quotient, eps,
                     G: tl.constexpr, S: tl.constexpr, V: tl.constexpr, LAST: tl.constexpr, PB: tl.constexpr,
                     GB: tl.constexpr, SB: tl.constexpr, SAVE: tl.constexpr, MAPS: tl.constexpr):  # fmt: skip
    """Features times masks; the tile holds whole maps."""
    positions = quotient * V
    blocks = (G + GB - 1) // GB
    image = (tl.program_id(0) // blocks).to(tl.int64)
    block = tl.program_id(0) % blocks
    first = image * positions * (G * S)
    offset, inside = _tile(block, 0, positions, G, S, PB, GB, SB, LAST)
    x = tl.load(x_at + first + offset, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(x, axis=0) / positions
    product, _ = _products(x, mean, inside)
    map_offset, map_inside = _map_tile(block, 0, positions, G, PB, GB, LAST)
    shift = tl.sum(product, axis=0) / positions
    centred = tl.where(map_inside, product - shift[None, :], 0.0)
    deviation = tl.sqrt_rn(tl.sum(centred * centred, axis=0) / tl.maximum(positions - 1, 1))
    similarity = centred / (deviation + eps)[None, :]
    w, b = _parameters(weight, bias, block, G, GB)
    mask = tl.sigmoid(similarity * w[None, :] + b[None, :])
    tl.store(out_at + first + offset, (x * mask[:, :, None]).to(out_at.dtype.element_ty), mask=inside)
    if SAVE:
        _save_statistics(mean_at, stats_at, image, block, mean, shift, deviation, G, S, GB, SB)
    if MAPS:
        tl.store(similarity_at + image * positions * G + map_offset, similarity, mask=map_inside)
        tl.store(mask_at + image * positions * G + map_offset, mask, mask=map_inside)


@triton.jit(do_not_specialize=["quotient"])
def forward_looped(x_at, weight, bias, out_at, mean_at, stats_at, similarity_at, mask_at, quotient, eps,
                   G: tl.constexpr, S: tl.constexpr, V: tl.constexpr, LAST: tl.constexpr, PB: tl.constexpr,
                   GB: tl.constexpr, SB: tl.constexpr, SAVE: tl.constexpr, MAPS: tl.constexpr):  # fmt: skip
    """Features times masks, in three loops over the map: mean, deviation, product."""
    positions = quotient * V
    blocks = (G + GB - 1) // GB
    image = (tl.program_id(0) // blocks).to(tl.int64)
    block = tl.program_id(0) % blocks
    first = image * positions * (G * S)
    total = tl.zeros((PB, GB, SB), tl.float32)
    for start in tl.range(0, positions, PB, num_stages=STAGES):
        offset, inside = _tile(block, start, positions, G, S, PB, GB, SB, LAST)
        total += tl.load(x_at + first + offset, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(total, axis=0) / positions
    linear = tl.zeros((PB, GB), tl.float32)
    square = tl.zeros((PB, GB), tl.float32)
    for start in tl.range(0, positions, PB, num_stages=STAGES):
        offset, inside = _tile(block, start, positions, G, S, PB, GB, SB, LAST)
        x = tl.load(x_at + first + offset, mask=inside, other=0.0).to(tl.float32)
        product, _ = _products(x, mean, inside)
        linear += product
        square += product * product
    shift = tl.sum(linear, axis=0) / positions
    spread = tl.maximum(tl.sum(square, axis=0) - shift * shift * positions, 0.0)
    deviation = tl.sqrt_rn(spread / tl.maximum(positions - 1, 1))
    w, b = _parameters(weight, bias, block, G, GB)
    for start in tl.range(0, positions, PB, num_stages=STAGES):
        offset, inside = _tile(block, start, positions, G, S, PB, GB, SB, LAST)
        x = tl.load(x_at + first + offset, mask=inside, other=0.0).to(tl.float32)
        product, _ = _products(x, mean, inside)
        similarity = (product - shift[None, :]) / (deviation + eps)[None, :]
        mask = tl.sigmoid(similarity * w[None, :] + b[None, :])
        tl.store(out_at + first + offset, (x * mask[:, :, None]).to(out_at.dtype.element_ty), mask=inside)
        if MAPS:
            map_offset, map_inside = _map_tile(block, start, positions, G, PB, GB, LAST)
            tl.store(similarity_at + image * positions * G + map_offset, similarity, mask=map_inside)
            tl.store(mask_at + image * positions * G + map_offset, mask, mask=map_inside)
    if SAVE:
        _save_statistics(mean_at, stats_at, image, block, mean, shift, deviation, G, S, GB, SB)


@triton.jit
def _saved(
    mean_at, stats_at, image, block, G: tl.constexpr, S: tl.constexpr, GB: tl.constexpr, SB: tl.constexpr
):
    channel, exists = _channels(block, G, S, GB, SB)
    mean = tl.load(mean_at + image * (G * S) + channel, mask=exists, other=0.0)
    g, there = _groups(block, G, GB)
    shift = tl.load(stats_at + image * (2 * G) + g, mask=there, other=0.0)
    return mean, shift, tl.load(stats_at + image * (2 * G) + G + g, mask=there, other=0.0)


@triton.jit
def _store_parameter_gradients(part_at, image, block, of_weight, of_bias, G: tl.constexpr, GB: tl.constexpr):
    """Writes an image's part of the gradients of weight and bias, (N, 2, G); the caller sums over images."""
    g, there = _groups(block, G, GB)
    tl.store(part_at + image * (2 * G) + g, of_weight, mask=there)
    tl.store(part_at + image * (2 * G) + G + g, of_bias, mask=there)


@triton.jit
def _gate_gradient(x, dy, mean, shift, deviation, w, b, eps, inside, map_inside):
    """Gradient of the sigmoid's argument, similarity and mask (PB, GB), and x_i - g (PB, GB, SB)."""
    product, centred = _products(x, mean, inside)
    similarity = tl.where(map_inside, (product - shift[None, :]) / (deviation + eps)[None, :], 0.0)
    mask = tl.sigmoid(similarity * w[None, :] + b[None, :])
    dl = tl.where(map_inside, tl.sum(dy * x, axis=2) * mask * (1 - mask), 0.0)
    return dl, similarity, mask, centred


@triton.jit
def _inverse_spread(deviation, positions):
    return tl.where(
        deviation > SMALLEST, 1 / (tl.maximum(deviation, SMALLEST) * tl.maximum(positions - 1, 1)), 0.0
    )


@triton.jit(do_not_specialize=["quotient"])
def backward_resident(x_at, dy_at, weight, bias, mean_at, stats_at, dx_at, part_at, quotient, eps,
                      G: tl.constexpr, S: tl.constexpr, V: tl.constexpr, LAST: tl.constexpr, PB: tl.constexpr,
                      GB: tl.constexpr, SB: tl.constexpr):  # fmt: skip
    """Gradients of features, weight and bias; the tiles hold whole maps."""
    positions = quotient * V
    blocks = (G + GB - 1) // GB
    image = (tl.program_id(0) // blocks).to(tl.int64)
    block = tl.program_id(0) % blocks
    first = image * positions * (G * S)
    offset, inside = _tile(block, 0, positions, G, S, PB, GB, SB, LAST)
    _, map_inside = _map_tile(block, 0, positions, G, PB, GB, LAST)
    x = tl.load(x_at + first + offset, mask=inside, other=0.0).to(tl.float32)
    dy = tl.load(dy_at + first + offset, mask=inside, other=0.0).to(tl.float32)
    mean, shift, deviation = _saved(mean_at, stats_at, image, block, G, S, GB, SB)
    w, b = _parameters(weight, bias, block, G, GB)
    dl, similarity, mask, centred = _gate_gradient(
        x, dy, mean, shift, deviation, w, b, eps, inside, map_inside
    )
    of_weight, of_bias = tl.sum(dl * similarity, axis=0), tl.sum(dl, axis=0)
    scale = w / (deviation + eps)
    along = w * of_weight * _inverse_spread(deviation, positions)
    dc = dl * scale[None, :] - similarity * along[None, :] - (scale * of_bias / positions)[None, :]
    dc = tl.where(map_inside, dc, 0.0)
    of_mean = tl.sum(dc[:, :, None] * centred, axis=0) / positions
    dx = dy * mask[:, :, None] + dc[:, :, None] * mean[None, :, :] + of_mean[None, :, :]
    tl.store(dx_at + first + offset, dx.to(dx_at.dtype.element_ty), mask=inside)
    _store_parameter_gradients(part_at, image, block, of_weight, of_bias, G, GB)


@triton.jit(do_not_specialize=["quotient"])
def backward_looped(x_at, dy_at, weight, bias, mean_at, stats_at, dx_at, part_at, quotient, eps,
                    G: tl.constexpr, S: tl.constexpr, V: tl.constexpr, LAST: tl.constexpr, PB: tl.constexpr,
                    GB: tl.constexpr, SB: tl.constexpr):  # fmt: skip
    """Gradients of features, weight and bias, in two loops over the map: sums, then the gradient of the features."""
    positions = quotient * V
    blocks = (G + GB - 1) // GB
    image = (tl.program_id(0) // blocks).to(tl.int64)
    block = tl.program_id(0) % blocks
    first = image * positions * (G * S)
    mean, shift, deviation = _saved(mean_at, stats_at, image, block, G, S, GB, SB)
    w, b = _parameters(weight, bias, block, G, GB)
    by_weight = tl.zeros((PB, GB), tl.float32)
    by_bias = tl.zeros((PB, GB), tl.float32)
    by_gradient = tl.zeros((PB, GB, SB), tl.float32)
    by_similarity = tl.zeros((PB, GB, SB), tl.float32)
    for start in tl.range(0, positions, PB, num_stages=STAGES):
        offset, inside = _tile(block, start, positions, G, S, PB, GB, SB, LAST)
        _, map_inside = _map_tile(block, start, positions, G, PB, GB, LAST)
        x = tl.load(x_at + first + offset, mask=inside, other=0.0).to(tl.float32)
        dy = tl.load(dy_at + first + offset, mask=inside, other=0.0).to(tl.float32)
        dl, similarity, _, centred = _gate_gradient(
            x, dy, mean, shift, deviation, w, b, eps, inside, map_inside
        )
        by_weight += dl * similarity
        by_bias += dl
        by_gradient += dl[:, :, None] * centred
        by_similarity += similarity[:, :, None] * centred
    of_weight, of_bias = tl.sum(by_weight, axis=0), tl.sum(by_bias, axis=0)
    scale = w / (deviation + eps)
    along = w * of_weight * _inverse_spread(deviation, positions)
    # The sum over positions of dc_i (x_i - g); the constant in dc_i drops out, because x_i - g sums to 0.
    of_mean = scale[:, None] * tl.sum(by_gradient, axis=0) - along[:, None] * tl.sum(by_similarity, axis=0)
    constant = scale * of_bias / positions
    for start in tl.range(0, positions, PB, num_stages=STAGES):
        offset, inside = _tile(block, start, positions, G, S, PB, GB, SB, LAST)
        _, map_inside = _map_tile(block, start, positions, G, PB, GB, LAST)
        x = tl.load(x_at + first + offset, mask=inside, other=0.0).to(tl.float32)
        dy = tl.load(dy_at + first + offset, mask=inside, other=0.0).to(tl.float32)
        dl, similarity, mask, _ = _gate_gradient(x, dy, mean, shift, deviation, w, b, eps, inside, map_inside)
        dc = dl * scale[None, :] - similarity * along[None, :] - constant[None, :]
        dx = dy * mask[:, :, None] + dc[:, :, None] * mean[None, :, :] + (of_mean / positions)[None, :, :]
        tl.store(dx_at + first + offset, dx.to(dx_at.dtype.element_ty), mask=inside)
    _store_parameter_gradients(part_at, image, block, of_weight, of_bias, G, GB)
