"""Permutes channels together with the layers around them, so that the network computes the same.

The SGE module groups consecutive channels. Other groups are made by moving channels; the module stays the paper's.
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
from sge.nn.blocks import own_sge_blocks
from sge.nn.module import SpatialGroupEnhance
from sge.nn.permutation.builder import SharedChannels
from sge.nn.permutation.families import shared_channels


def permute_channels(network: nn.Module, permutations: Mapping[str, Tensor]) -> nn.Module:
    """Permutes the channels of the named blocks; outputs stay equal (1e-5 relative).

    If it raises an error, the network is unchanged.

    Args:
        network: A network with SGE; changed in place.
        permutations: Block name to (C,), integers: ``permutation[i]`` is the old channel that becomes channel i. Blocks
            of one stage of a ResNet or ConvNeXt share their channels: all of them need the same permutation.

    Returns:
        The same network.

    Raises:
        PermutationError: A tensor is no permutation of its block's channels, differs between blocks that share channels,
            belongs to no block, or would mix groups whose gates differ.
        UnsupportedNetworkError: The channels cannot be permuted without changing the outputs.
    """
    blocks = own_sge_blocks(network)
    if unknown := [name for name in permutations if name not in blocks]:
        raise PermutationError(f"No block {', '.join(unknown)} carries SGE; there are: {', '.join(blocks)}.")
    found = shared_channels(network, permutations)
    by_channels = [(channels, _permutation_of(channels, permutations)) for channels in found]
    # Every check comes before the first change.
    gates = []
    for channels, permutation in by_channels:
        for name in channels.blocks:
            gates.append((blocks[name], _sources_of_groups(name, blocks[name], permutation)))
    with torch.no_grad():
        for channels, permutation in by_channels:
            _permute(channels, permutation)
        for module, sources in gates:
            module.weight.copy_(module.weight[:, sources])
            module.bias.copy_(module.bias[:, sources])
    return network


def _permutation_of(channels: SharedChannels, permutations: Mapping[str, Tensor]) -> Tensor:
    given = [name for name in channels.blocks if name in permutations]
    if missing := [name for name in channels.blocks if name not in permutations]:
        raise PermutationError(
            f"{', '.join(missing)} shares its channels with {given[0]} and needs the same permutation; none is given."
        )
    permutation = permutations[given[0]].detach().cpu()
    if (
        permutation.is_floating_point()
        or permutation.dim() != 1
        or not torch.equal(permutation.long().sort().values, torch.arange(channels.channels))
    ):
        raise PermutationError(
            f"{given[0]} needs a permutation of its {channels.channels} channels: each number from 0 to "
            f"{channels.channels - 1} once."
        )
    if different := [
        name for name in given if not torch.equal(permutations[name].detach().cpu(), permutation)
    ]:
        raise PermutationError(
            f"{different[0]} shares its channels with {given[0]}: both need the same permutation."
        )
    return permutation.long()


def _sources_of_groups(name: str, module: SpatialGroupEnhance, permutation: Tensor) -> Tensor:
    """(G,): for each new group, an old group whose gate it takes over."""
    sources = (permutation // (len(permutation) // module.groups)).reshape(module.groups, -1)
    weight, bias = module.weight.detach().flatten().cpu(), module.bias.detach().flatten().cpu()
    first = sources[:, 0]
    whole = (sources == first[:, None]).all(1)
    inactive = (weight[sources] == 0).all(1) & (bias[sources] == bias[first][:, None]).all(1)
    if not bool((whole | inactive).all()):
        raise PermutationError(
            f"The permutation of {name} mixes groups whose gates differ, which changes the outputs. Permute the channels "
            "while the gates are inactive, before gate tuning or training."
        )
    return first


def _permute(channels: SharedChannels, permutation: Tensor) -> None:
    for tensor in channels.first_dimension:
        tensor.copy_(tensor[permutation.to(tensor.device)])
    for tensor in channels.second_dimension:
        tensor.copy_(tensor[:, permutation.to(tensor.device)])


def permutation_digest(permutations: Mapping[str, npt.NDArray[Any]]) -> str:
    """Hash that identifies the permutations of a network.

    Args:
        permutations: Block name to (C,): the old channel that each channel is.

    Returns:
        sha256 in hexadecimal digits over the permutations as int32, in the order of the block names; for a network
        without permutations, over nothing.
    """
    digest = hashlib.sha256()
    for name in sorted(permutations):
        digest.update(np.ascontiguousarray(permutations[name], "<i4").tobytes())
    return digest.hexdigest()


IDENTITY_PERMUTATION = permutation_digest({})
"""Digest of a network whose channels are in the order of its original weights."""
