"""A Lens reads, edits and explains networks with SGE modules of other people's code as they are."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import sge
from sge.images import Preprocess
from sge.nn import SpatialGroupEnhance, foreign_sge
from tests.nn.foreign_modules import KINDS, Averaged, Biased, ByEinsum, ByViews, Interleaved, network_with

LABELS = list("abcde")


def lens_of(network: nn.Module) -> sge.Lens:
    model = sge.Model("mine", network, LABELS, preprocess=Preprocess(size=32, resize=32))
    return sge.Lens(model, device="cpu", backend="torch", precision="float32")


def ours(network: nn.Sequential) -> nn.Sequential:
    """The same network with the module of this package, which has the paper's formula."""
    made = copy.deepcopy(network)
    block = foreign_sge(network[2])
    assert block is not None
    own = SpatialGroupEnhance(16, block.groups)
    own.weight = nn.Parameter(block.weight.detach().clone())
    own.bias = nn.Parameter(block.bias.detach().clone())
    made[2] = own
    return made


@pytest.fixture(scope="module")
def image() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8))


@pytest.mark.parametrize("kind", [ByViews, ByEinsum])
def test_every_answer_is_that_of_our_own_module(kind: type[nn.Module], image: Image.Image) -> None:
    network = network_with(kind())
    state = copy.deepcopy(network.state_dict())
    foreign, own = lens_of(network), lens_of(ours(network))
    given, expected = foreign.analyze(image), own.analyze(image)
    assert [one.label for one in given.predictions] == [one.label for one in expected.predictions]
    assert given.blocks == expected.blocks
    for maps, same in ((given.masks, expected.masks), (given.similarity, expected.similarity)):
        np.testing.assert_allclose(maps["2"], same["2"], rtol=1e-4, atol=1e-4)
    for mode in ("mean", "zero", "only"):
        one, other = (lens.ablate(image, {"2": [0, 3]}, mode=mode) for lens in (foreign, own))
        np.testing.assert_allclose(one.after, other.after, rtol=1e-4, atol=1e-6)
    slopes, same = (lens.attribute(image, target="b") for lens in (foreign, own))
    np.testing.assert_allclose(slopes["2"], same["2"], rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(network.state_dict(), state)


@pytest.mark.parametrize("kind", KINDS)
def test_removing_every_group_is_what_an_empty_map_gives(kind: type[nn.Module], image: Image.Image) -> None:
    network = network_with(kind())
    block = foreign_sge(network[2])
    assert block is not None
    lens = lens_of(network)
    after = lens.ablate(image, {"2": list(range(block.groups))}, mode="zero").after
    with torch.no_grad():
        features = network[:2](torch.from_numpy(lens.frame(image).array[None]))
        empty = network[3:](features * block.formula.residual).softmax(1)[0]
    np.testing.assert_allclose(after, empty.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [Averaged, Biased, Interleaved])
def test_the_steps_of_a_group_follow_from_each_other(kind: type[nn.Module], image: Image.Image) -> None:
    lens = lens_of(network_with(kind()))
    steps = lens.steps(image, "2", 1)
    np.testing.assert_allclose(steps.output, steps.features * steps.mask, rtol=1e-4, atol=1e-6)
    spread = steps.product.std(ddof=0 if kind is Biased else 1) + 1e-5
    t = (steps.product - steps.product.mean()) / spread
    np.testing.assert_allclose(steps.similarity, t, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(steps.mask, 1 / (1 + np.exp(-steps.weight * t - steps.bias)), atol=1e-4)


def test_the_model_knows_its_groups() -> None:
    model = sge.Model("mine", nn.Sequential(nn.Conv2d(3, 16, 1), ByViews(8)), LABELS)
    assert model.groups == {"1": 8}
    assert model.inactive
