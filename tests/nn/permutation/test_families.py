"""Finding shared channels in networks of known families, and refusing the others."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from sge.errors import UnsupportedNetworkError
from sge.nn import insert_sge, permute_channels
from sge.nn.blocks import sge_blocks
from sge.nn.permutation.families import shared_channels
from tests.conftest import fill


def test_only_the_named_blocks_and_those_that_share_their_channels():
    network = insert_sge(timm.create_model("mobilenetv3_small_050"))
    names = list(sge_blocks(network))
    assert [channels.blocks for channels in shared_channels(network, names[2:4])] == [
        (name,) for name in names[2:4]
    ]
    assert shared_channels(network, []) == []
    whole = shared_channels(insert_sge(models.resnet18()), ["layer2.1"])
    assert [channels.blocks for channels in whole] == [("layer2.0", "layer2.1")]


def test_a_network_without_sge_is_refused():
    with pytest.raises(UnsupportedNetworkError, match="insert_sge"):
        shared_channels(models.resnet18())


@pytest.mark.parametrize("family", ["regnety_002", "regnetx_002"])
def test_group_convolutions_are_refused_with_a_sentence(family):
    network = insert_sge(fill(timm.create_model(family)))
    with pytest.raises(UnsupportedNetworkError, match=r"s1\.b1.*convolves in groups"):
        shared_channels(network)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "where", "message"),
    [
        (lambda: timm.create_model("mixnet_s"), None, "MixedConv2d touches them"),
        (lambda: timm.create_model("ecaresnet26t"), None, "EcaModule touches them"),
        (lambda: timm.create_model("resnet18", num_classes=0), None, "returns them as its output"),
        (lambda: nn.Sequential(models.resnet18()), None, "must be the network itself"),
        (lambda: models.resnet18(), ["layer1.0.conv2"], "not known which other layers"),
        (lambda: models.vgg11_bn(), ["features.4"], "not known which other layers"),
        (
            lambda: models.googlenet(init_weights=False, aux_logits=False),
            None,
            r"inception3a \(SGEInception\) cannot be permuted",
        ),
    ],
)
def test_what_cannot_be_permuted_exactly_is_refused(build, where, message):
    network = insert_sge(fill(build()), where=where)
    before = copy.deepcopy(network.state_dict())
    permutations = {name: torch.randperm(m.channels) for name, m in sge_blocks(network).items()}
    with pytest.raises(UnsupportedNetworkError, match=message):
        permute_channels(network, permutations)
    assert all(torch.equal(network.state_dict()[key], value) for key, value in before.items())
