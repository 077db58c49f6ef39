"""Channels may move; what the network computes may not."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from sge.nn import PermutationError, UnsupportedNetworkError, insert_sge, permute_channels
from sge.nn.blocks import sge_blocks
from sge.nn.permutation.families import streams
from sge.nn.resnet import resnet
from tests.conftest import fill

FAMILIES = {
    "resnet18": (lambda: models.resnet18(num_classes=7), 4),
    "resnet50": (lambda: models.resnet50(num_classes=7), 4),
    "resnext50_32x4d": (lambda: models.resnext50_32x4d(num_classes=7), 4),
    "timm resnet18": (lambda: timm.create_model("resnet18", num_classes=7), 4),
    "timm resnet26d": (lambda: timm.create_model("resnet26d", num_classes=7), 4),
    "timm seresnet18": (lambda: timm.create_model("seresnet18", num_classes=7), 4),
    "bam_resnet18": (lambda: resnet(18, "bam", num_classes=7), 4),
    "sk_resnet50": (lambda: resnet(50, "sk", num_classes=7), 4),
    "convnext_atto": (lambda: timm.create_model("convnext_atto", num_classes=7), 4),
    "convnext_atto, linear": (
        lambda: timm.create_model("convnext_atto", num_classes=7, conv_mlp=False),
        4,
    ),
    "convnextv2_atto": (lambda: timm.create_model("convnextv2_atto", num_classes=7), 4),
    "tf_efficientnet_lite0": (lambda: timm.create_model("tf_efficientnet_lite0"), 15),
    "efficientnet_b0": (lambda: timm.create_model("efficientnet_b0"), 15),
    "efficientnet_es": (lambda: timm.create_model("efficientnet_es"), 18),
    "mobilenetv2_050": (lambda: timm.create_model("mobilenetv2_050"), 16),
    "mobilenetv3_small_050": (lambda: timm.create_model("mobilenetv3_small_050"), 10),
    "mobilenetv4_conv_small": (lambda: timm.create_model("mobilenetv4_conv_small"), 12),
}


def shuffles(network: nn.Module, seed: int = 5) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    permutations = {}
    for stream in streams(network):
        order = torch.randperm(stream.channels, generator=generator)
        permutations |= dict.fromkeys(stream.blocks, order)
    return permutations


def image(height: int = 64, width: int = 96) -> torch.Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(3))


def inputs_of(network: nn.Module, x: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """What each SGE module is given, and the outputs."""
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


@pytest.mark.parametrize("attention", ["se", "cbam", "gc"])
def test_attention_that_reads_the_channels_is_not_passed_over(attention):
    network = insert_sge(fill(resnet(18, attention, num_classes=7)), where=["layer2"])
    with torch.inference_mode():
        before = network(image())
        with pytest.raises(UnsupportedNetworkError, match="cannot be sorted"):
            permute_channels(network, {"layer2": torch.arange(127, -1, -1)})
        assert torch.equal(network(image()), before)


def test_what_else_stands_between_stages_is_not_passed_over():
    network = fill(resnet(18, "bam", num_classes=7))
    network.bam2 = nn.Sequential(network.bam2, nn.Identity())
    with pytest.raises(UnsupportedNetworkError, match="Sequential"):
        streams(insert_sge(network))


@pytest.mark.parametrize("family", list(FAMILIES))
def test_channels_move_and_outputs_stay(family):
    build, expected_streams = FAMILIES[family]
    network = insert_sge(fill(build()))
    assert len(streams(network)) == expected_streams
    permutations = shuffles(network)
    assert permutations.keys() == sge_blocks(network).keys()
    keys = network.state_dict().keys()
    before, out_before = inputs_of(network, image())
    assert permute_channels(network, permutations) is network
    after, out_after = inputs_of(network, image())
    assert network.state_dict().keys() == keys
    assert float((out_after - out_before).abs().max() / out_before.abs().max()) < 1e-5
    for name, order in permutations.items():
        scale = before[name].abs().max()
        assert float((after[name] - before[name][:, order]).abs().max() / scale) < 1e-4, name
        assert float((after[name] - before[name]).abs().max() / scale) > 1e-2, name


@pytest.mark.parametrize("family", ["regnety_002", "regnetx_002"])
def test_group_convolutions_are_refused_with_a_sentence(family):
    network = insert_sge(fill(timm.create_model(family)))
    with pytest.raises(UnsupportedNetworkError, match=r"s1\.b1.*convolves in groups"):
        streams(network)


@pytest.mark.parametrize(
    ("build", "where", "message"),
    [
        (lambda: timm.create_model("mixnet_s"), None, "MixedConv2d touches them"),
        (lambda: timm.create_model("ecaresnet26t"), None, "EcaModule touches them"),
        (lambda: timm.create_model("resnet18", num_classes=0), None, "puts them out as they are"),
        (lambda: nn.Sequential(models.resnet18()), None, "must be the network itself"),
        (lambda: models.resnet18(), ["layer1.0.conv2"], "not known which other layers"),
        (lambda: models.vgg11_bn(), ["features.4"], "not known which other layers"),
    ],
)
def test_what_cannot_be_folded_exactly_is_refused(build, where, message):
    network = insert_sge(fill(build()), where=where)
    before = copy.deepcopy(network.state_dict())
    permutations = {name: torch.randperm(m.channels) for name, m in sge_blocks(network).items()}
    with pytest.raises(UnsupportedNetworkError, match=message):
        permute_channels(network, permutations)
    assert all(torch.equal(network.state_dict()[key], value) for key, value in before.items())


def test_a_refusal_elsewhere_does_not_matter():
    network = insert_sge(fill(timm.create_model("resnet18", num_classes=0)), where=["layer2.0", "layer2.1"])
    before = network(image()).detach()
    permute_channels(network, shuffles(network))
    torch.testing.assert_close(network(image()), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "order",
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
def test_what_is_no_permutation_is_refused_before_anything_changes(order):
    network = insert_sge(fill(timm.create_model("tf_efficientnet_lite0")))
    before = copy.deepcopy(network.state_dict())
    good = shuffles(network)
    with pytest.raises(PermutationError, match=r"blocks\.1\.0 is no permutation of its 96 channels"):
        permute_channels(network, good | {"blocks.1.0": order})
    assert all(torch.equal(network.state_dict()[key], value) for key, value in before.items())


def test_blocks_on_one_stream_need_the_same_order():
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


def test_a_network_without_sge_is_refused():
    with pytest.raises(UnsupportedNetworkError, match="insert_sge"):
        streams(models.resnet18())


def test_orders_as_they_are_stored_in_a_file():
    network = insert_sge(fill(timm.create_model("tf_efficientnet_lite0")))
    permutations = shuffles(network)
    other = copy.deepcopy(network)
    permute_channels(network, permutations)
    permute_channels(other, {name: order.to(torch.int32) for name, order in permutations.items()})
    assert all(torch.equal(other.state_dict()[key], value) for key, value in network.state_dict().items())


def test_awake_gates_move_with_whole_groups_and_are_not_mixed():
    network = fill(insert_sge(timm.create_model("tf_efficientnet_lite0")))
    for sge in sge_blocks(network).values():
        with torch.no_grad():
            sge.weight.normal_(generator=torch.Generator().manual_seed(1))
    before = network(image()).detach()
    mixed = shuffles(network)
    with pytest.raises(PermutationError, match="mixes groups whose gates act differently"):
        permute_channels(network, mixed)
    whole = {}
    for name, sge in sge_blocks(network).items():
        groups = torch.randperm(sge.groups, generator=torch.Generator().manual_seed(2))
        size = sge.channels // sge.groups
        whole[name] = (groups[:, None] * size + torch.arange(size).flip(0)).flatten()
    after = permute_channels(network, whole)(image()).detach()
    assert float((after - before).abs().max() / before.abs().max()) < 1e-5


def test_parameters_stay_the_same_objects():
    network = insert_sge(fill(models.resnet18()))
    before = dict(network.named_parameters())
    permute_channels(network, shuffles(network))
    assert all(before[name] is parameter for name, parameter in network.named_parameters())
