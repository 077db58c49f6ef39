"""MaskCapture and the names of blocks on every kind of network that can have SGE."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import pytest
import timm
import torch
import torchvision
from torch import nn

from sge.nn import SpatialGroupEnhance, insert_sge
from sge.nn.blocks import sge_blocks
from sge.nn.mask_capture import MaskCapture
from tests.nn.networks import Twice, randomize_gates, small


def named(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], list[str], int]] = {
    "the module itself": (lambda: SpatialGroupEnhance(8, 4), ["sge"], 8),
    "at the root": (lambda: nn.Sequential(SpatialGroupEnhance(8, 4)), ["0"], 8),
    "twice in one block": (Twice, ["block.first", "block.second", "other", "sge"], 8),
    "wrappers at the root": (
        lambda: named(se=named(sge=SpatialGroupEnhance(8, 4)), sge=SpatialGroupEnhance(8, 2)),
        ["se", "sge"],
        8,
    ),
    "one name for two, deeper": (
        lambda: named(block=named(se=named(sge=SpatialGroupEnhance(8, 4)), sge=SpatialGroupEnhance(8, 2))),
        ["block.se.sge", "block.sge"],
        8,
    ),
    "resnet18": (
        lambda: insert_sge(torchvision.models.resnet18(num_classes=5), 16),
        [f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1)],
        3,
    ),
    "DataParallel": (lambda: nn.DataParallel(small()), ["1"], 3),
    "DataParallel resnet18": (
        lambda: nn.DataParallel(insert_sge(torchvision.models.resnet18(num_classes=5), 16, ["layer2.1"])),
        ["layer2.1"],
        3,
    ),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_names_and_masks_of_every_network(kind: str) -> None:
    make, names, channels = NETWORKS[kind]
    network = randomize_gates(make())
    assert list(sge_blocks(network)) == names
    with MaskCapture(network, energy=True) as seen, torch.no_grad():
        network(torch.randn(2, channels, 32, 32))
    assert list(seen.masks) == list(seen.similarity) == list(seen.energy) == list(seen.channels) == names
    for name, module in sge_blocks(network).items():
        mask, t = seen.masks[name], seen.similarity[name]
        torch.testing.assert_close(mask, torch.sigmoid(module.weight * t + module.bias))
        assert mask.shape[:2] == (2, module.groups)
        assert seen.channels[name] % module.groups == 0
        if t.shape[2] > 1:
            torch.testing.assert_close(t.mean((2, 3)), torch.zeros(2, module.groups), atol=1e-4, rtol=0)
            assert 0.4 < t.std((2, 3)).max() < 1.001  # less than 1 where eps counts
        torch.testing.assert_close(seen.energy[name].sum(1), torch.ones(2))


def test_efficientnet_of_timm() -> None:
    network = insert_sge(timm.create_model("efficientnet_b0", pretrained=False, num_classes=4), 16)
    network = randomize_gates(network)
    blocks = sge_blocks(network)
    assert len(blocks) == 16 - 1  # the first block expands nothing and is of another kind
    assert all(name.count(".") == 2 and not name.endswith("se") for name in blocks)
    with MaskCapture(network, energy=True) as seen, torch.no_grad():
        network(torch.randn(1, 3, 64, 64))
    assert list(seen.masks) == list(blocks)
    assert [tuple(mask.shape[1:]) for mask in seen.masks.values()][-1] == (16, 2, 2)


def test_wrapped_networks_keep_their_blocks_names() -> None:
    net = insert_sge(torchvision.models.resnet18(), 16).eval()
    for wrapped in (nn.DataParallel(net), torch.compile(net, backend="eager")):
        assert list(sge_blocks(wrapped)) == list(sge_blocks(net))
