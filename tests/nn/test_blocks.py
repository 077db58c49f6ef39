"""Names of blocks, and what their modules are."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from sge.errors import CaptureError, UnknownBlockError
from sge.nn import SpatialGroupEnhance, insert_sge
from sge.nn.blocks import (
    inactive_groups,
    named_blocks,
    require_spatial_blocks,
    sge_blocks,
    spatial_blocks,
)
from sge.nn.compiled import is_compiled
from sge.nn.resnet import build_resnet
from tests.nn.networks import small


@pytest.mark.slow
def test_blocks_of_each_kind() -> None:
    names = [f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1)]
    assert list(spatial_blocks(build_resnet(18, "cbam"))) == names
    assert list(spatial_blocks(build_resnet(18, "bam"))) == ["bam1", "bam2", "bam3"]
    assert list(spatial_blocks(build_resnet(18))) == list(sge_blocks(build_resnet(18))) == names
    assert sge_blocks(build_resnet(18, "cbam")) == spatial_blocks(build_resnet(18, "se")) == {}


@pytest.mark.slow
def test_names_inside_compiled_modules_are_those_of_the_original() -> None:
    network = insert_sge(torchvision.models.resnet18(), 16)
    names = list(sge_blocks(network))
    assert not is_compiled(network)
    network.layer3 = torch.compile(network.layer3, backend="eager")
    assert list(sge_blocks(network)) == names
    assert is_compiled(network)
    assert list(sge_blocks(torch.compile(SpatialGroupEnhance(8, 4), backend="eager"))) == ["sge"]


def test_a_network_compiled_in_place() -> None:
    network = small()
    network.compile(backend="eager")
    assert is_compiled(network)
    assert list(sge_blocks(network)) == ["1"]


def test_named_blocks_keep_the_order_of_the_network() -> None:
    network = insert_sge(torchvision.models.resnet18(), 16)
    assert list(named_blocks(network, ["layer4.0", "layer1.0"])) == ["layer1.0", "layer4.0"]
    assert named_blocks(network, None) == spatial_blocks(network)
    with pytest.raises(UnknownBlockError, match=r"No block x; there are: layer1\.0"):
        named_blocks(network, ["x"])


def test_a_network_without_maps_is_refused() -> None:
    with pytest.raises(CaptureError, match="Sequential has no SGE module"):
        require_spatial_blocks(nn.Sequential(nn.Conv2d(3, 3, 1)))


def test_inactive_groups() -> None:
    module = SpatialGroupEnhance(8, 4)
    assert inactive_groups(module) == 4
    with torch.no_grad():
        module.weight[0, 1] = 0.5
    assert inactive_groups(module) == 3
    assert inactive_groups(build_resnet(18, "cbam").layer1[0].cbam) == 0
