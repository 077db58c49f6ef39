"""Insertion must not change what a network computes, and must refuse what it cannot keep."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from sge.nn import GroupsError, SpatialGroupEnhance, UnsupportedNetworkError, insert_sge
from sge.nn.resnet import SGE_RESNETS
from tests.conftest import fill

FAMILIES = {
    "resnet18": lambda: models.resnet18(),
    "resnet50": lambda: models.resnet50(),
    "resnext50_32x4d": lambda: models.resnext50_32x4d(),
    "wide_resnet50_2": lambda: models.wide_resnet50_2(),
    "tf_efficientnet_lite0": lambda: timm.create_model("tf_efficientnet_lite0"),
    "efficientnet_b0": lambda: timm.create_model("efficientnet_b0"),
}


def gates(network: nn.Module) -> dict[str, SpatialGroupEnhance]:
    return {path: m for path, m in network.named_modules() if isinstance(m, SpatialGroupEnhance)}


@pytest.mark.parametrize("family", list(FAMILIES))
def test_outputs_stay_equal(family):
    network = fill(FAMILIES[family]())
    x = torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        before = network(x)
        after = insert_sge(network)(x)
    assert gates(network)
    assert float((after - before).abs().max() / before.abs().max()) < 1e-5
    assert float(before.std()) > 1e-3  # an answer that says nothing would always be equal


def test_an_awake_gate_changes_the_outputs():
    network = insert_sge(fill(models.resnet18()))
    x = torch.randn(1, 3, 96, 96)
    with torch.inference_mode():
        before = network(x)
        for sge in gates(network).values():
            sge.weight.fill_(1.0)
        assert float((network(x) - before).abs().max() / before.abs().max()) > 1e-3


def test_keys_of_an_enhanced_resnet_are_the_papers():
    assert (
        insert_sge(models.resnet50()).state_dict().keys() == SGE_RESNETS["sge_resnet50"]().state_dict().keys()
    )


def test_lite0_gets_fifteen_modules_with_groups_that_divide(caplog):
    with caplog.at_level("INFO", logger="sge.nn.insert"):
        network = insert_sge(timm.create_model("tf_efficientnet_lite0"))
    found = {path: (m.channels, m.groups) for path, m in gates(network).items()}
    assert len(found) == 15
    assert found["blocks.1.0.se"] == (96, 48)
    assert found["blocks.4.1.se"] == (672, 56)
    assert found["blocks.6.0.se"] == (1152, 64)
    assert "64 groups do not divide the 672 channels of blocks.4.1; 56 groups do." in caplog.text


def test_squeeze_and_excitation_is_kept():
    network = insert_sge(timm.create_model("efficientnet_b0"))
    block = network.get_submodule("blocks.2.0.se")
    assert type(block.se).__name__ == "SqueezeExcite"
    assert isinstance(block.sge, SpatialGroupEnhance)


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
def test_a_network_without_a_place_is_refused(network):
    with pytest.raises(UnsupportedNetworkError, match="no block that SGE can be put into"):
        insert_sge(network)


def test_a_norm_that_cannot_compensate_is_refused_before_anything_changes():
    network = models.resnet18()
    network.layer4[1].bn2 = nn.GroupNorm(8, 512)
    with pytest.raises(UnsupportedNetworkError, match="GroupNorm"):
        insert_sge(network)
    assert not gates(network)


def test_training_flag_dtype_and_device_follow_the_block():
    network = insert_sge(models.resnet18().double().eval())
    assert all(m.weight.dtype == torch.float64 and not m.training for m in gates(network).values())
