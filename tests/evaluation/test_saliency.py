"""Maps that are compared: blocks that do not exist first, then what each map is made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import sge
from sge.errors import CaptureError, NonFiniteError, UnknownBlockError
from sge.evaluation.saliency import EXPLANATIONS, baselines, choose_block, explanations
from sge.images.decoding import decode
from sge.images.framing import Preprocess, frame
from sge.models.model import Card, Model
from sge.nn.blocks import sge_blocks
from sge.nn.resnet import SGE_RESNETS
from tests.conftest import fill
from tests.drawn_images import noise


def make(opens_with=None, **changes) -> Model:
    card = Card("Tiny", "Tiny.", opens_with=opens_with)
    network = changes.get("network") or fill(SGE_RESNETS["sge_resnet18"](4))
    return Model("tiny", network, list("abcd"), card, Preprocess(size=64))


@pytest.fixture(scope="module")
def lens():
    return sge.Lens(make(), "cpu")


@pytest.fixture(scope="module")
def framed(lens):
    return frame(decode(noise(64, 64, 1)), lens.model.preprocess, "center")


def test_a_network_without_sge():
    with pytest.raises(CaptureError, match="has no SGE"):
        choose_block(make(network=torch.nn.Conv2d(3, 4, 1)))


def test_an_unknown_block_is_answered_with_the_blocks():
    with pytest.raises(UnknownBlockError, match=r"No block layer9; there are: layer1\.0, .*layer4\.1"):
        choose_block(make(), "layer9")


@pytest.mark.parametrize(
    ("opening", "expected"),
    [({"block": "layer2.1", "group": 3}, "layer2.1"), ({"block": "gone"}, "layer4.1"), (None, "layer4.1")],
)
def test_the_block_that_a_viewer_opens_with(opening, expected):
    assert choose_block(make(opening)) == expected
    assert choose_block(make(opening), "layer3.0") == "layer3.0"


def test_maps_that_are_not_finite_are_named(framed):
    model = make()
    with torch.no_grad():
        sge_blocks(model.network)["layer4.0"].bias[0, 0] = float("nan")
    with pytest.raises(NonFiniteError, match=r"layer4\.0\.sge\.bias has such numbers itself"):
        explanations(sge.Lens(model, "cpu"), framed, 1, "layer4.0")


def test_what_the_maps_are_made_of(lens, framed):
    block = "layer3.1"
    found = explanations(lens, framed, 2, block)
    assert set(found) == set(EXPLANATIONS)
    analysis = lens.analyze_frames([framed])[0]
    effect = lens.attribute_frame(framed, 2, method="gradient")[block]
    for signal in ("mask", "similarity"):
        maps = analysis.maps(block, signal)
        np.testing.assert_allclose(found[signal], maps.mean(0), atol=1e-4)
        weighted = sum(max(float(weight), 0) * values for weight, values in zip(effect, maps, strict=True))
        np.testing.assert_allclose(found[f"effect_{signal}"], weighted, atol=1e-3)
    np.testing.assert_array_equal(found["grad_cam"], lens.grad_cam_frame(framed, 2).map)
    other = explanations(lens, framed, 0, block)
    np.testing.assert_array_equal(other["mask"], found["mask"])
    assert not np.allclose(other["effect_mask"], found["effect_mask"])


def test_maps_without_a_network():
    found = baselines((7, 10), (0, 5))
    assert found["random"].shape == found["center"].shape == (7, 10)
    row, col = np.unravel_index(found["center"].argmax(), (7, 10))
    assert (row, col) in ((3, 4), (3, 5))
    np.testing.assert_allclose(found["center"], found["center"][::-1, ::-1], atol=1e-6)
    np.testing.assert_array_equal(found["random"], baselines((7, 10), (0, 5))["random"])
    assert not np.array_equal(found["random"], baselines((7, 10), (0, 6))["random"])
    assert not np.array_equal(found["random"], baselines((7, 10), (1, 5))["random"])
    assert np.isfinite(baselines((1, 1), (0, 0))["center"]).all()
