"""Permuted channels leave the outputs as they were."""

from __future__ import annotations

import copy
import hashlib

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torchvision import models

from sge.errors import PermutationError
from sge.nn import insert_sge, permute_channels
from sge.nn.blocks import sge_blocks
from sge.nn.permutation.families import shared_channels
from sge.nn.permutation.permute import IDENTITY_PERMUTATION, permutation_digest
from tests.conftest import fill
from tests.nn.permutation.networks import FAMILIES, image, shuffles


def inputs_of(network: nn.Module, x: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The input of each SGE module, and the outputs."""
    seen: dict[str, torch.Tensor] = {}
    handles = [
        module.register_forward_pre_hook(lambda _m, args, name=name: seen.update({name: args[0].clone()}))
        for name, module in sge_blocks(network).items()
    ]
    with torch.inference_mode():
        out = network(x)
    for handle in handles:
        handle.remove()
    return seen, out


@pytest.mark.slow
@pytest.mark.parametrize("family", list(FAMILIES))
def test_channels_move_and_outputs_stay(family):
    build, expected = FAMILIES[family]
    network = insert_sge(fill(build()))
    assert len(shared_channels(network)) == expected
    permutations = shuffles(network)
    assert permutations.keys() == sge_blocks(network).keys()
    keys = network.state_dict().keys()
    before, out_before = inputs_of(network, image())
    assert permute_channels(network, permutations) is network
    after, out_after = inputs_of(network, image())
    assert network.state_dict().keys() == keys
    assert float((out_after - out_before).abs().max() / out_before.abs().max()) < 1e-5
    for name, permutation in permutations.items():
        scale = before[name].abs().max()
        assert float((after[name] - before[name][:, permutation]).abs().max() / scale) < 1e-4, name
        assert float((after[name] - before[name]).abs().max() / scale) > 1e-2, name


@pytest.mark.slow
@pytest.mark.parametrize(
    "permutation",
    [
        torch.zeros(96, dtype=torch.int64),
        torch.arange(95),
        torch.arange(1, 97),
        torch.arange(96) - 1,
        torch.arange(96).float(),
        torch.arange(96)[None],
    ],
    ids=["repeated", "short", "from one", "negative", "floats", "2-d"],
)
def test_what_is_no_permutation_is_refused_before_anything_changes(permutation):
    network = insert_sge(fill(timm.create_model("tf_efficientnet_lite0")))
    before = copy.deepcopy(network.state_dict())
    good = shuffles(network)
    with pytest.raises(PermutationError, match=r"blocks\.1\.0 needs a permutation of its 96 channels"):
        permute_channels(network, good | {"blocks.1.0": permutation})
    assert all(torch.equal(network.state_dict()[key], value) for key, value in before.items())


@pytest.mark.slow
def test_blocks_that_share_channels_need_the_same_permutation():
    network = insert_sge(fill(models.resnet18()))
    permutations = shuffles(network)
    with pytest.raises(PermutationError, match=r"layer2\.1 shares its channels with layer2\.0"):
        permute_channels(network, permutations | {"layer2.1": permutations["layer2.1"].flip(0)})
    with pytest.raises(PermutationError, match=r"layer2\.1 shares its channels with layer2\.0"):
        permute_channels(network, {"layer2.0": permutations["layer2.0"]})


def test_an_unknown_block_lists_the_known_ones():
    network = insert_sge(models.resnet18())
    with pytest.raises(PermutationError, match=r"No block layer9 .* there are: layer1\.0"):
        permute_channels(network, {"layer9": torch.arange(64)})


@pytest.mark.slow
def test_permutations_as_they_are_stored_in_a_file():
    network = insert_sge(fill(timm.create_model("tf_efficientnet_lite0")))
    permutations = shuffles(network)
    other = copy.deepcopy(network)
    permute_channels(network, permutations)
    permute_channels(other, {name: permutation.to(torch.int32) for name, permutation in permutations.items()})
    assert all(torch.equal(other.state_dict()[key], value) for key, value in network.state_dict().items())


def test_tuned_gates_move_with_whole_groups_and_are_not_mixed():
    network = fill(insert_sge(timm.create_model("tf_efficientnet_lite0")))
    for sge in sge_blocks(network).values():
        with torch.no_grad():
            sge.weight.normal_(generator=torch.Generator().manual_seed(1))
    before = network(image()).detach()
    mixed = shuffles(network)
    with pytest.raises(PermutationError, match="mixes groups whose gates differ"):
        permute_channels(network, mixed)
    whole = {}
    for name, sge in sge_blocks(network).items():
        groups = torch.randperm(sge.groups, generator=torch.Generator().manual_seed(2))
        size = sge.channels // sge.groups
        whole[name] = (groups[:, None] * size + torch.arange(size).flip(0)).flatten()
    after = permute_channels(network, whole)(image()).detach()
    assert float((after - before).abs().max() / before.abs().max()) < 1e-5


@pytest.mark.slow
def test_parameters_stay_the_same_objects():
    network = insert_sge(fill(models.resnet18()))
    before = dict(network.named_parameters())
    permute_channels(network, shuffles(network))
    assert all(before[name] is parameter for name, parameter in network.named_parameters())


def test_the_digest_depends_on_names_order_and_values():
    first = {"a": np.arange(4), "b": np.array([1, 0])}
    assert permutation_digest(first) == permutation_digest(dict(reversed(first.items())))
    assert permutation_digest(first) != permutation_digest({**first, "b": np.array([0, 1])})
    assert permutation_digest({}) == IDENTITY_PERMUTATION == hashlib.sha256().hexdigest()
