"""Regrouping finds channels that respond alike, keeps no image and leaves the outputs as they were."""

from __future__ import annotations

import copy
import gc
import weakref

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torchvision import models

import sge
from sge.errors import PermutationError, ShapeError
from sge.images.decoding import decode
from sge.images.framing import frame
from sge.nn import (
    SpatialGroupEnhance,
    channel_permutations,
    insert_sge,
    regroup,
)
from sge.nn.blocks import sge_blocks
from tests.conftest import ROOT, fill


def planted_network(truth: np.ndarray) -> nn.Module:
    """A network whose block blocks.1.0 has expanded channels that are shuffled, scaled copies of eight patterns."""
    network = insert_sge(fill(timm.create_model("tf_efficientnet_lite0")), where=["blocks.1.0"], groups=8)
    block = network.get_submodule("blocks.1.0")
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(8, 16, 1, 1, generator=generator)
    with torch.no_grad():
        scale = 0.1 + torch.rand(96, generator=generator)
        block.conv_pw.weight.copy_(patterns[truth] * scale[:, None, None, None])
        for norm in (block.bn1, block.bn2):
            norm.weight.fill_(1.0)
            norm.bias.fill_(0.0)
            norm.running_mean.fill_(0.0)
            norm.running_var.fill_(1.0)
        block.conv_dw.weight.copy_(torch.rand(1, 1, 3, 3, generator=generator).expand(96, 1, 3, 3) / 9)
    return network


def test_regrouping_finds_planted_groups_in_a_network():
    truth = np.random.default_rng(1).permutation(np.repeat(np.arange(8), 12))
    network = planted_network(truth)
    images = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    permutations = channel_permutations(network, images)
    assert list(permutations) == ["blocks.1.0"]
    assert all(
        len(set(group)) == 1 for group in truth[permutations["blocks.1.0"].numpy()].reshape(8, 12).tolist()
    )


@pytest.mark.slow
def test_a_stage_of_a_resnet_gets_one_permutation_and_outputs_stay():
    network = insert_sge(fill(models.resnet18()))
    images = [torch.randn(3, 64, 64 + 32 * i, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    permutations = channel_permutations(network, images)
    assert permutations.keys() == sge_blocks(network).keys()
    assert torch.equal(permutations["layer3.0"], permutations["layer3.1"])
    x = torch.stack(images[:1])
    with torch.inference_mode():
        before = network(x)
        assert regroup(network, images) is network
        after = network(x)
    assert float((after - before).abs().max() / before.abs().max()) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "where"),
    [("tf_efficientnet_lite0", ["blocks.2.1", "blocks.3.0", "blocks.3.1"]), ("mobilenetv3_small_050", None)],
)
def test_equal_seeds_give_equal_permutations_and_the_network_is_unchanged(name, where):
    network = insert_sge(fill(timm.create_model(name)), where=where).train()
    state = copy.deepcopy(network.state_dict())
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    first, second = (channel_permutations(network, images, seed=1) for _ in range(2))
    other = channel_permutations(network, images, seed=2)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
    assert network.training
    assert all(torch.equal(network.state_dict()[key], value) for key, value in state.items())
    assert not any(module._forward_pre_hooks for module in network.modules())


class Passing:
    """Images made one at a time; counts how many of them are still referenced."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.most_alive = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self):
        made: list[weakref.ref[torch.Tensor]] = []
        for number in range(self.count):
            gc.collect()
            self.most_alive = max(self.most_alive, sum(ref() is not None for ref in made))
            image = torch.randn(
                3, 32, 32 + 32 * (number % 2), generator=torch.Generator().manual_seed(number)
            )
            made.append(weakref.ref(image))
            yield image
            del image


@pytest.mark.slow
def test_images_are_streamed_and_counted():
    network = insert_sge(fill(timm.create_model("mobilenetv3_small_050")))
    images, calls = Passing(12), []
    channel_permutations(network, images, progress=lambda done, total: calls.append((done, total)))
    assert images.most_alive <= 1
    assert calls == [(number, 12) for number in range(1, 13)]
    calls.clear()
    batches = (torch.randn(2, 3, 32, 32) for _ in range(2))
    channel_permutations(network, batches, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(2, None), (4, None)]


@pytest.mark.parametrize(
    "images",
    [
        [],
        [torch.zeros(1, 32, 32)],
        [torch.zeros(32, 32)],
        [torch.zeros(3, 32, 32, dtype=torch.uint8)],
    ],
    ids=["none", "grey", "2-d", "bytes"],
)
def test_what_is_no_image_is_refused(images):
    network = insert_sge(fill(timm.create_model("mobilenetv3_small_050")))
    with pytest.raises(ShapeError, match="mage"):
        regroup(network, images)
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_channels_that_never_respond_are_accepted():
    network = insert_sge(fill(timm.create_model("mobilenetv3_small_050")))
    permutations = channel_permutations(network, [torch.zeros(3, 32, 32)])
    assert all(
        torch.equal(permutation.sort().values, torch.arange(len(permutation)))
        for permutation in permutations.values()
    )


def test_tuned_gates_are_refused():
    network = insert_sge(fill(timm.create_model("mobilenetv3_small_050")))
    for module in network.modules():
        if isinstance(module, SpatialGroupEnhance):
            with torch.no_grad():
                module.weight.normal_()
    with pytest.raises(PermutationError, match="while the gates are inactive"):
        regroup(network, torch.randn(2, 3, 64, 64))


@pytest.mark.slow
def test_on_a_real_image_the_regrouped_networks_logits_are_the_originals():
    model = sge.load_model("sge_efficientnet_lite0")
    sample = next(
        path for path in sorted((ROOT / "static/samples").iterdir()) if path.suffix in (".jpg", ".webp")
    )
    x = torch.from_numpy(frame(decode(sample.read_bytes()), model.preprocess, "center").array)[None]
    with torch.inference_mode():
        before = model.network(x)
        after = sge.regroup(copy.deepcopy(model.network), x)(x)
    assert float((after - before).abs().max() / before.abs().max()) < 1e-5
    assert int(after.argmax()) == int(before.argmax())
