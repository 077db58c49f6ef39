"""SGE at the output of any module that the user names."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from sge.errors import UnsupportedNetworkError
from sge.nn import insert_sge
from sge.nn.mask_capture import MaskCapture
from tests.conftest import fill
from tests.nn.networks import gates


def vgg() -> nn.Module:
    """VGG-11 by rule, with a small classifier: its own has 99 million of the numbers, and SGE goes into the features."""
    with torch.device("meta"):
        network = models.vgg11_bn()
    network.classifier = nn.Sequential(nn.Linear(25088, 16), nn.ReLU(inplace=True), nn.Linear(16, 10))
    return fill(network.to_empty(device="cpu"))


class Tokens(nn.Module):
    """Returns features in another layout than (N, C, H, W), as transformers do."""

    def __init__(self, layout):
        super().__init__()
        self.layout, self.scale = layout, nn.Parameter(torch.ones(()))

    def forward(self, x):
        n, c, h, w = x.shape
        return x.permute(0, 2, 3, 1) if self.layout == "last" else x.reshape(n * 4, c, h // 2, w // 2)


class Odd(nn.Sequential):
    """A container with a forward of its own, which would call SGE as one of its children."""

    def forward(self, x):
        for child in self:
            x = child(x)
        return x


def stages():
    """Maps of four sizes: the last has one cell, and the container before it iterates over its children itself."""
    stem = nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.BatchNorm2d(4))
    body = nn.Sequential(nn.Conv2d(4, 8, 2, 2), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 2, 2))
    odd = Odd(nn.Conv2d(8, 8, 1), nn.ReLU())
    return nn.Sequential(
        stem, body, odd, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Flatten()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "where"),
    [
        (lambda: models.mobilenet_v2(), ["features.3", "features.5.conv.1.0", "features.7.conv.3"]),
        (
            lambda: models.densenet121(),
            ["features.denseblock2.denselayer3", "features.transition1.conv", "features.norm5"],
        ),
        (lambda: vgg(), ["features.13", "features.12", "features.11"]),
        (lambda: models.resnet18(), ["layer2", "layer3.0"]),
        (lambda: timm.create_model("convnext_atto"), ["stages.1", "stages.2.blocks.0.conv_dw", "stem.1"]),
    ],
    ids=["mobilenet", "densenet", "vgg", "a stage and a block", "convnext"],
)
def test_any_network_by_naming_modules(build, where):
    network = fill(build()).train()
    keys = network.state_dict().keys()
    statistics = copy.deepcopy(network.state_dict())
    x = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        before = copy.deepcopy(network).eval()(x)
    insert_sge(network, where=where)
    assert network.training
    assert all(torch.equal(network.state_dict()[k], v) for k, v in statistics.items() if "running" in k)
    assert network.state_dict().keys() >= keys
    with MaskCapture(network) as seen, torch.inference_mode():
        after = network.eval()(x)
    assert float((after - before).abs().max() / before.abs().max()) < 1e-5
    assert sorted(seen.masks) == sorted(where)
    with torch.inference_mode():
        for sge in gates(network).values():
            sge.weight.fill_(1.0)
        assert float((network(x) - before).abs().max() / before.abs().max()) > 1e-4
        assert torch.equal(copy.deepcopy(network)(x), network(x))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "where", "message"),
    [
        (lambda: vgg(), ["classifier.0"], "returns"),
        (
            lambda: nn.Sequential(nn.Conv2d(3, 8, 8, 8), Tokens("last")),
            ["1"],
            r"28, 28, 8\); the channels come",
        ),
        (lambda: nn.Sequential(nn.Conv2d(3, 8, 8, 8), Tokens("windows")), ["1"], "4 rows for one image"),
        (lambda: models.densenet121(), ["features.denseblock2"], "iterates over its children"),
        (lambda: vgg(), [""], "No block"),
        (lambda: timm.create_model("convnext_atto", conv_mlp=False), ["stages.0.blocks.0.norm"], "returns"),
        (lambda: models.resnet50(), ["layer1.0.relu"], "runs 3 times"),
        (lambda: nn.Sequential(nn.Conv2d(4, 8, 3)), ["0"], "cannot be run on an image"),
        (lambda: insert_sge(vgg(), where=["features.4"]), ["features.4"], "has SGE already"),
        (lambda: insert_sge(models.resnet18()), ["layer1.0"], "has SGE already"),
    ],
)
def test_a_module_that_cannot_have_sge_after_it_is_refused(build, where, message):
    network = build()
    keys = network.state_dict().keys()
    with pytest.raises(UnsupportedNetworkError, match=message):
        insert_sge(network, where=where)
    assert network.state_dict().keys() == keys


def test_modules_with_feature_maps_are_proposed_and_can_be_named():
    with pytest.raises(UnsupportedNetworkError, match=r'where=\["0", "1", "1.1"\]'):
        insert_sge(stages())
    with pytest.raises(UnsupportedNetworkError, match=r'No block 9 .*where=\["0", "1", "1.1"\]'):
        insert_sge(stages(), where="9")
    network = insert_sge(stages(), 4, where=["0", "1", "1.1"])
    assert [module.groups for module in gates(network).values()] == [4, 4, 4]


@pytest.mark.parametrize("network", [nn.Conv2d(4, 8, 3), nn.Linear(3, 3), nn.Flatten()])
def test_nothing_is_proposed_for_a_network_that_takes_no_image_or_has_no_maps(network):
    with pytest.raises(UnsupportedNetworkError, match=r"where=\[\.\.\.\]"):
        insert_sge(nn.Sequential(network))
