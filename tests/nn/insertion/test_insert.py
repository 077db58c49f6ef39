"""Insertion leaves the outputs as they were, or is refused."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from sge.errors import GroupsError, UnsupportedNetworkError
from sge.nn import insert_sge
from sge.nn.mask_capture import MaskCapture
from sge.nn.resnet import SGE_RESNETS
from tests.conftest import fill
from tests.nn.networks import gates

FAMILIES = {
    "resnet18": lambda: models.resnet18(),
    "resnet50": lambda: models.resnet50(),
    "resnext50_32x4d": lambda: models.resnext50_32x4d(),
    "wide resnet": lambda: models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1], width_per_group=128),
    "regnet_y_400mf": lambda: models.regnet_y_400mf(),
    "regnet_x_400mf": lambda: models.regnet_x_400mf(),
    "timm resnet18": lambda: timm.create_model("resnet18"),
    "timm resnet26d": lambda: timm.create_model("resnet26d"),
    "timm resnext50_32x4d": lambda: timm.create_model("resnext50_32x4d"),
    "timm wide resnet": lambda: timm.create_model("wide_resnet50_2", layers=[1, 1, 1, 1]),
    "timm seresnet18": lambda: timm.create_model("seresnet18"),
    "tf_efficientnet_lite0": lambda: timm.create_model("tf_efficientnet_lite0"),
    "efficientnet_b0": lambda: timm.create_model("efficientnet_b0"),
    "efficientnet_es": lambda: timm.create_model("efficientnet_es"),
    "mixnet_s": lambda: timm.create_model("mixnet_s"),
    "mobilenetv2_050": lambda: timm.create_model("mobilenetv2_050"),
    "mobilenetv3_small_050": lambda: timm.create_model("mobilenetv3_small_050"),
    "mobilenetv4_conv_small": lambda: timm.create_model("mobilenetv4_conv_small"),
    "regnety_002": lambda: timm.create_model("regnety_002"),
    "regnetx_002": lambda: timm.create_model("regnetx_002"),
    "convnext_atto": lambda: timm.create_model("convnext_atto"),
    "convnext_atto, linear": lambda: timm.create_model("convnext_atto", conv_mlp=False),
    "convnextv2_atto": lambda: timm.create_model("convnextv2_atto"),
}
BLOCKS = {
    "timm resnet18": ("layer1.0", 8),
    "timm seresnet18": ("layer1.0", 8),
    "mobilenetv3_small_050": ("blocks.1.0", 10),
    "mobilenetv4_conv_small": ("blocks.2.0", 12),
    "regnety_002": ("s1.b1", 13),
    "regnet_y_400mf": ("trunk_output.block1.block1-0.f", 16),
    "regnet_x_400mf": ("trunk_output.block1.block1-0.f", 22),
    "convnext_atto": ("stages.0.blocks.0", 12),
}
"""The first block's name and the number of blocks, as a capture reads them."""


@pytest.mark.slow
@pytest.mark.parametrize("family", list(FAMILIES))
def test_outputs_and_keys_stay_equal(family):
    network = fill(FAMILIES[family]())
    keys = network.state_dict().keys()
    x = torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        before = network(x)
        after = insert_sge(network)(x)
    assert gates(network)
    new = network.state_dict().keys() - keys
    # Only a squeeze-and-excitation moves, into the module that puts SGE after it.
    assert {key.replace(".se.se.", ".se.") for key in keys | new} >= keys
    assert all(".se." in key for key in keys - network.state_dict().keys())
    assert float((after - before).abs().max() / before.abs().max()) < 1e-5
    assert float(before.std()) > 1e-3  # an answer that says nothing would always be equal


@pytest.mark.slow
@pytest.mark.parametrize("family", list(BLOCKS))
def test_a_capture_reads_short_names(family):
    network = insert_sge(fill(FAMILIES[family]()))
    with MaskCapture(network) as seen, torch.inference_mode():
        network(torch.randn(1, 3, 64, 96))
    assert (next(iter(seen.masks)), len(seen.masks)) == BLOCKS[family]
    assert all(network.get_submodule(name) is not None for name in seen.masks)
    assert all(torch.allclose(mask, torch.full_like(mask, 0.731059)) for mask in seen.masks.values())


@pytest.mark.slow
def test_an_active_gate_changes_the_outputs():
    network = insert_sge(fill(models.resnet18()))
    x = torch.randn(1, 3, 96, 96)
    with torch.inference_mode():
        before = network(x)
        for sge in gates(network).values():
            sge.weight.fill_(1.0)
        assert float((network(x) - before).abs().max() / before.abs().max()) > 1e-3


@pytest.mark.slow
def test_keys_of_a_resnet_with_sge_are_the_papers():
    assert (
        insert_sge(models.resnet50()).state_dict().keys() == SGE_RESNETS["sge_resnet50"]().state_dict().keys()
    )


def test_lite0_gets_fifteen_modules_with_groups_that_divide(caplog):
    with caplog.at_level("INFO", logger="sge.nn.insertion.insert"):
        network = insert_sge(timm.create_model("tf_efficientnet_lite0"))
    found = {path: (m.channels, m.groups) for path, m in gates(network).items()}
    assert len(found) == 15
    assert found["blocks.1.0.se"] == (96, 48)
    assert found["blocks.4.1.se"] == (672, 56)
    assert found["blocks.6.0.se"] == (1152, 64)
    assert "64 groups do not divide the 672 channels of blocks.4.1; 56 groups do." in caplog.text


def test_exact_groups_refuse_and_change_nothing():
    network = timm.create_model("tf_efficientnet_lite0")
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(GroupsError, match="48 groups do"):
        insert_sge(network, exact_groups=True)
    assert not gates(network)
    after = network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_only_the_named_blocks():
    network = insert_sge(models.resnet18(), where=["layer3.1", "layer4.0"])
    assert list(gates(network)) == ["layer3.1.sge", "layer4.0.sge"]


def test_an_unknown_block_lists_the_known_ones():
    with pytest.raises(UnsupportedNetworkError, match=r"layer9.*there are: layer1\.0"):
        insert_sge(models.resnet18(), where=["layer9"])


@pytest.mark.parametrize(
    "network", [nn.Sequential(nn.Conv2d(3, 8, 3)), insert_sge(models.resnet18())], ids=["plain", "already"]
)
def test_a_network_without_a_site_is_refused(network):
    with pytest.raises(UnsupportedNetworkError, match="no block that SGE can be put into"):
        insert_sge(network)


def test_training_flag_dtype_and_device_follow_the_block():
    network = insert_sge(models.resnet18().double().eval())
    assert all(m.weight.dtype == torch.float64 and not m.training for m in gates(network).values())


@pytest.mark.parametrize("groups", [0, -1])
def test_fewer_groups_than_one(groups: int) -> None:
    with pytest.raises(GroupsError, match="at least 1"):
        insert_sge(models.resnet18(), groups)
