"""Puts channels in another order by permuting the layers around them; what the network computes stays equal.

The SGE module groups consecutive channels. To group others, the channels move and the module stays the paper's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sge.errors import PermutationError
from sge.nn.blocks import sge_blocks
from sge.nn.module import SpatialGroupEnhance
from sge.nn.permutation.builder import Stream
from sge.nn.permutation.families import streams


def permute_channels(network: nn.Module, permutations: Mapping[str, Tensor]) -> nn.Module:
    """Sorts the channels of the named blocks; outputs stay equal (1e-5 relative). Changes nothing if it refuses.

    Args:
        network: A network with SGE; changed in place.
        orders: Block name to (C,), integers: ``order[i]`` is the old channel that becomes channel i. Blocks on
            one residual stream need the same order, and all of them one.

    Returns:
        The same network.

    Raises:
        OrderError: an order is no permutation of its block's channels, differs along a residual stream, belongs
            to no block, or would mix groups whose gates differ.
        UnsupportedNetworkError: the channels cannot be sorted without changing the outputs.
    """
    blocks = sge_blocks(network)
    if unknown := [name for name in permutations if name not in blocks]:
        raise PermutationError(f"No block {', '.join(unknown)} carries SGE; there are: {', '.join(blocks)}.")
    wanted = [
        (stream, order)
        for stream in streams(network, permutations)
        if (order := _order_of(stream, permutations)) is not None
    ]
    gates = [
        (module, _moved_gates(name, module, order))
        for stream, order in wanted
        for name in stream.blocks
        if (module := blocks[name])
    ]
    with torch.no_grad():
        for stream, order in wanted:
            _permute(stream, order)
        for module, groups in gates:
            module.weight.copy_(module.weight[:, groups])
            module.bias.copy_(module.bias[:, groups])
    return network


def _order_of(stream: Stream, permutations: Mapping[str, Tensor]) -> Tensor | None:
    given = [name for name in stream.blocks if name in permutations]
    if not given:
        return None
    if missing := [name for name in stream.blocks if name not in permutations]:
        raise PermutationError(
            f"{', '.join(missing)} shares its channels with {given[0]} and needs the same order; none is given."
        )
    order = permutations[given[0]].detach().cpu()
    if (
        order.is_floating_point()
        or order.dim() != 1
        or not torch.equal(order.long().sort().values, torch.arange(stream.channels))
    ):
        raise PermutationError(
            f"The order of {given[0]} is no permutation of its {stream.channels} channels: "
            "each number from 0 on must be there once."
        )
    if odd := [name for name in given if not torch.equal(permutations[name].detach().cpu(), order)]:
        raise PermutationError(f"{odd[0]} shares its channels with {given[0]}: both need the same order.")
    return order.long()


def _moved_gates(name: str, module: SpatialGroupEnhance, order: Tensor) -> Tensor:
    """(G,): for each new group, an old one whose gate it takes."""
    sources = (order // (len(order) // module.groups)).reshape(module.groups, -1)
    weight, bias = module.weight.detach().flatten().cpu(), module.bias.detach().flatten().cpu()
    first = sources[:, 0]
    whole = (sources == first[:, None]).all(1)
    inactive = (weight[sources] == 0).all(1) & (bias[sources] == bias[first][:, None]).all(1)
    if not bool((whole | inactive).all()):
        raise PermutationError(
            f"The order of {name} mixes groups whose gates act differently, which changes the outputs. "
            "Sort the channels while the gates sleep, before awakening or training."
        )
    return first


def _permute(stream: Stream, order: Tensor) -> None:
    for tensor in stream.rows:
        tensor.copy_(tensor[order.to(tensor.device)])
    for tensor in stream.columns:
        tensor.copy_(tensor[:, order.to(tensor.device)])


def permutation_digest(permutations: Mapping[str, npt.NDArray[Any]]) -> str:
    """sha256 over the orders as int32, one after the other, sorted by block name; of no orders, of nothing.

    Args:
        orders: Block name to (C,), which old channel each channel is.
    """
    digest = hashlib.sha256()
    for name in sorted(permutations):
        digest.update(np.ascontiguousarray(permutations[name], "<i4").tobytes())
    return digest.hexdigest()


IDENTITY_PERMUTATION = permutation_digest({})
"""Of a network whose channels lie as its weights have them."""
