"""Positions of SGE in the blocks of known families."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from sge.errors import UnsupportedNetworkError
from sge.nn import SpatialGroupEnhance, insert_sge
from sge.nn.insertion.sites import GainedSGE, has_sge, site_in
from sge.nn.mask_capture import MaskCapture
from sge.nn.module import INACTIVE_MASK
from tests.nn.networks import gates


def test_a_norm_that_cannot_compensate_is_refused_before_anything_changes():
    network = models.resnet18()
    network.layer4[1].bn2 = nn.GroupNorm(8, 512)
    with pytest.raises(UnsupportedNetworkError, match="GroupNorm"):
        insert_sge(network)
    assert not gates(network)


def test_squeeze_and_excitation_is_kept():
    network = insert_sge(timm.create_model("efficientnet_b0"))
    block = network.get_submodule("blocks.2.0.se")
    assert type(block.se).__name__ == "SqueezeExcite"
    assert isinstance(block.sge, SpatialGroupEnhance)


def test_drop_path_stays_after_sge_in_training():
    network = insert_sge(timm.create_model("convnext_atto", drop_path_rate=0.5))
    last = network.stages[3].blocks[1].drop_path
    assert (type(last.sge), type(last.drop_path).__name__) == (SpatialGroupEnhance, "DropPath")
    with MaskCapture(network.eval()) as seen, torch.inference_mode():
        network(torch.randn(1, 3, 64, 64))
    assert "stages.3.blocks.1" in seen.masks


@pytest.mark.parametrize(
    ("build", "block", "channels"),
    [
        (models.resnet18, "layer2.1", 128),
        (models.resnet50, "layer2.1", 512),
        (lambda: timm.create_model("mobilenetv3_small_050"), "blocks.1.0", 40),
        (lambda: timm.create_model("convnext_atto"), "stages.1.0", None),
    ],
)
def test_sites_of_known_blocks(build, block, channels):
    network = build()
    found = {name: find() for name, module in network.named_modules() if (find := site_in(module))}
    if channels is None:
        assert all(
            site.channels == network.get_submodule(name).mlp.fc2.weight.shape[0]
            for name, site in found.items()
        )
    else:
        assert found[block].channels == channels
    assert not has_sge(network)


def test_a_block_with_sge_has_no_site():
    network = insert_sge(models.resnet18())
    assert has_sge(network)
    assert not any(site_in(module) for module in network.modules())


def test_a_subclass_with_a_forward_of_its_own_has_no_site():
    class Other(models.resnet.BasicBlock):
        def forward(self, x):
            return x

    assert site_in(Other(8, 8)) is None


def test_the_inactive_gained_module_is_the_identity():
    x = torch.randn(2, 8, 5, 4)
    torch.testing.assert_close(GainedSGE(8, 4)(x), x)
    torch.testing.assert_close(SpatialGroupEnhance(8, 4)(x), x * INACTIVE_MASK)
