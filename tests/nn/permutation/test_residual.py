"""Channels that the blocks of a stage share."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from sge.errors import UnsupportedNetworkError
from sge.nn import insert_sge, permute_channels
from sge.nn.permutation.families import shared_channels
from sge.nn.permutation.residual import residual_channels
from sge.nn.resnet import build_resnet
from tests.conftest import fill
from tests.nn.permutation.networks import image, shuffles


@pytest.mark.parametrize(
    ("build", "sizes"),
    [
        (models.resnet18, [64, 128, 256, 512]),
        (models.resnet50, [64, 256, 512, 1024, 2048]),
        (lambda: timm.create_model("convnext_atto"), [40, 80, 160, 320]),
        (lambda: timm.create_model("mobilenetv3_small_050"), []),
    ],
    ids=["resnet18", "resnet50", "convnext", "another family"],
)
def test_one_set_of_channels_for_each_stage(build, sizes):
    found = [builder.build() for builder in residual_channels(insert_sge(build()))]
    assert [channels.channels for channels in found] == sizes


def test_the_blocks_of_a_stage_share_their_channels():
    found = shared_channels(insert_sge(models.resnet18()))
    assert [channels.blocks for channels in found] == [(f"layer{i}.0", f"layer{i}.1") for i in (1, 2, 3, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["cbam", "gc"])
def test_attention_that_mixes_channels_is_refused(attention):
    network = insert_sge(fill(build_resnet(18, attention, num_classes=7)), where=["layer2"])
    with torch.inference_mode():
        before = network(image())
        with pytest.raises(UnsupportedNetworkError, match="cannot be permuted"):
            permute_channels(network, {"layer2": torch.arange(127, -1, -1)})
        assert torch.equal(network(image()), before)


@pytest.mark.slow
def test_an_unknown_module_between_stages_is_refused():
    network = fill(build_resnet(18, "bam", num_classes=7))
    network.bam2 = nn.Sequential(network.bam2, nn.Identity())
    with pytest.raises(UnsupportedNetworkError, match="Sequential"):
        shared_channels(insert_sge(network))


@pytest.mark.slow
def test_a_refusal_elsewhere_does_not_matter():
    network = insert_sge(fill(timm.create_model("resnet18", num_classes=0)), where=["layer2.0", "layer2.1"])
    before = network(image()).detach()
    permute_channels(network, shuffles(network))
    torch.testing.assert_close(network(image()), before, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_squeeze_and_excitation_is_permuted_with_the_channels():
    network = insert_sge(fill(build_resnet(18, "se", num_classes=7)), where=["layer2"])
    with torch.inference_mode():
        before = network(image())
        permute_channels(network, {"layer2": torch.arange(127, -1, -1)})
        after = network(image())
    assert float((after - before).abs().max() / before.abs().max()) < 1e-5
