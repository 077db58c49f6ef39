"""Attributions: refusals, then first order and measured effects against independent computations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from sge.errors import CaptureError, ChoiceError, UnknownBlockError
from sge.lens import measured_effects
from sge.lens.lens import Lens
from sge.lens.rows import Rows
from sge.models.model import Model
from sge.nn import SpatialGroupEnhance, sge_blocks
from sge.nn.resnet import build_resnet
from tests.drawn_images import noise
from tests.inactive_networks import inactive_network
from tests.lens.networks import (
    CLASSES,
    LABELS,
    Cached,
    InputInPlace,
    Plain,
    Residual,
    Twice,
    Unused,
    lens_of,
)
from tests.nn.networks import hooks

IMAGE = noise(96, 96)


@pytest.fixture(scope="module")
def lens() -> Lens:
    return lens_of(Residual())


def logits_with_scaled_masks(lens: Lens, block: str, scale: Tensor, flat: bool = False) -> Tensor:
    """Logits in float64 with each group's mask scaled, or moved to its mean, by a plain hook of torch."""

    def scaled(_module: object, _x: object, mask: Tensor) -> Tensor:
        other = mask.mean((2, 3), keepdim=True) if flat else 0.0
        return other + (mask - other) * scale[None, :, None, None]

    handle = sge_blocks(lens.network)[block].gate.register_forward_hook(scaled)
    try:
        with torch.no_grad():
            return lens.network(torch.from_numpy(lens.frame(IMAGE).array).double()[None])[0]
    finally:
        handle.remove()


def test_refusals(lens: Lens) -> None:
    with pytest.raises(UnknownBlockError, match="there are: first, second"):
        lens.attribute(IMAGE, blocks=["third"])
    with pytest.raises(ChoiceError, match="auto, gradient, ablation"):
        lens.attribute(IMAGE, method="exact")
    with pytest.raises(ChoiceError, match="beagle"):
        lens.attribute(IMAGE, "beagel")
    with pytest.raises(CaptureError, match="no SGE block"):
        Lens(Model("cbam", build_resnet(18, "cbam", CLASSES), LABELS), "cpu").attribute(IMAGE)
    with pytest.raises(CaptureError, match="does not call the gate of second"):
        lens_of(Unused()).attribute(IMAGE)


@pytest.mark.parametrize("target", [None, 0, "tench"])
def test_the_class_is_the_predicted_or_the_named_one(lens: Lens, target: object) -> None:
    found = lens.attribute(IMAGE, target)
    best = lens.predict(IMAGE, top_k=CLASSES)
    expected = best[0].index if target is None else {0: 0, "tench": 4}[target]
    assert found.target.index == expected
    assert found.target.label == LABELS[expected]
    assert found.target.score == pytest.approx(next(p.score for p in best if p.index == expected), abs=1e-5)
    with torch.no_grad():
        logits = lens.network(torch.from_numpy(lens.frame(IMAGE).array)[None])[0]
    assert found.logit == pytest.approx(float(logits[expected]), abs=1e-4)


@pytest.mark.parametrize("kind", [Residual, Twice, InputInPlace], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("block", ["first", "second"])
def test_the_first_order_is_the_derivative_along_each_mask(block: str, kind: type[Plain]) -> None:
    """Central differences in float64, of the logit by a factor of the group's mask or of its deviation from the mean.

    Where a block is called twice, the factor applies to both masks.
    """
    exact = lens_of(kind())
    found = exact.attribute(IMAGE, 1, method="gradient")
    exact.network.double()
    count = len(found[block])
    for flat, values in ((False, found.effect), (True, found.spatial)):
        for group in range(count):
            step = torch.zeros(count, dtype=torch.float64)
            step[group] = 1e-5
            up, down = (logits_with_scaled_masks(exact, block, 1 + sign * step, flat)[1] for sign in (1, -1))
            assert values[block][group] == pytest.approx(float(up - down) / 2e-5, abs=1e-3)
    assert found.method == {"first": "gradient", "second": "gradient"}
    assert np.abs(found.effect[block]).max() > 0.01


def test_what_a_network_keeps_from_a_prediction_serves_gradients_and_training() -> None:
    """Tensors that were made in torch.inference_mode would not."""
    lens = lens_of(Cached())
    lens.predict(IMAGE)
    assert lens.network.tables
    lens.attribute(IMAGE)
    lens.grad_cam(IMAGE)
    lens.network.train()(torch.zeros(2, 3, 96, 96)).sum().backward()


@pytest.mark.parametrize("block", ["first", "second"])
def test_the_measured_effect_is_the_drop_of_the_logit(lens: Lens, block: str) -> None:
    found = lens.attribute(IMAGE, 3, blocks=[block], method="ablation")
    assert found.method == {block: "ablation"}
    for group, effect in enumerate(found[block]):
        alone = lens.ablate(IMAGE, {block: [group]}, "zero", 0)
        drop = alone.logits_before[3] - alone.logits_after[3]
        assert effect == pytest.approx(drop, abs=5e-4)


def test_blocks_are_those_that_are_asked_for(lens: Lens) -> None:
    for method in ("gradient", "ablation"):
        found = lens.attribute(IMAGE, blocks=["second"], method=method)
        assert list(found) == list(found.effect) == list(found.spatial) == list(found.method) == ["second"]
        assert found["second"].dtype == found.spatial["second"].dtype == np.float32
        assert found["second"].shape == (2,)
    assert list(lens.attribute(IMAGE)) == ["first", "second"]
    assert list(lens.attribute(IMAGE, blocks=[])) == []


class Deep(Plain):
    """Blocks of 32 groups. The logits are linear in the masks of the second; past the first lies a sharp threshold."""

    channels = 64

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(8, 64, 3, 1, 1), SpatialGroupEnhance(64, 32))
        self.second = nn.Sequential(nn.Conv2d(64, 64, 1), nn.Tanh(), SpatialGroupEnhance(64, 32))

    def features(self, x: Tensor) -> Tensor:
        return self.second(5 * self.first(x))


def test_auto_measures_a_named_block_where_the_first_order_fails() -> None:
    tested = lens_of(Deep())
    assert list(sge_blocks(tested.network)) == ["first", "second"]
    named = tested.attribute(IMAGE, 1, blocks=["first", "second"])
    gradient, measured = (tested.attribute(IMAGE, 1, method=method) for method in ("gradient", "ablation"))
    assert named.method == {"first": "ablation", "second": "gradient"}
    np.testing.assert_allclose(named["first"], measured["first"], atol=1e-5)
    np.testing.assert_array_equal(named["second"], gradient["second"])
    np.testing.assert_allclose(gradient["second"], measured["second"], atol=1e-3)
    assert spearmanr(gradient["first"], measured["first"])[0] < 0.9
    assert set(tested.attribute(IMAGE, 1).method.values()) == {"gradient"}


def test_auto_measures_few_groups_where_the_first_order_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    tested = lens_of(Deep())
    removed: list[int] = []
    original = measured_effects.ablated_logits

    def counted(passes: object, image: object, rows: Rows) -> Tensor:
        removed.append(rows.count - 1)
        return original(passes, image, rows)

    monkeypatch.setattr(measured_effects, "ablated_logits", counted)
    tested.attribute(IMAGE, 1, blocks=["second"])
    tested.attribute(IMAGE, 1, blocks=["first"])
    tested.attribute(IMAGE, 1)
    assert removed == [8, 8, 24]


def test_a_block_of_few_groups_is_measured(lens: Lens) -> None:
    assert lens.attribute(IMAGE, blocks=["second", "first"]).method == {
        "first": "ablation",
        "second": "ablation",
    }


def test_inactive_gates_have_no_spatial_effect() -> None:
    found = Lens(Model("inactive", inactive_network(), LABELS), "cpu").attribute(IMAGE)
    for name, spatial in found.spatial.items():
        np.testing.assert_allclose(spatial, 0, atol=1e-4)
        assert np.abs(found[name]).max() > 0.01


def test_frozen_parameters_and_callers_without_gradients(lens: Lens) -> None:
    expected = lens.attribute(IMAGE, 0)
    frozen = lens_of(Residual())
    frozen.network.requires_grad_(False)
    with torch.inference_mode():
        found = frozen.attribute(IMAGE, 0)
    for name, effect in expected.items():
        np.testing.assert_allclose(found[name], effect, atol=1e-6)
    np.testing.assert_allclose(found.grad_cam.map, expected.grad_cam.map, atol=1e-6)


def test_the_network_is_left_as_it_was() -> None:
    mine = lens_of(Residual())
    mine.network.train()
    mine.network.fc.weight.grad = torch.ones_like(mine.network.fc.weight)
    mine.attribute(IMAGE, blocks=["first"], method="ablation")
    assert all(module.training for module in mine.network.modules())
    assert all(parameter.requires_grad for parameter in mine.network.parameters())
    assert (mine.network.fc.weight.grad == 1).all()
    assert [name for name, p in mine.network.named_parameters() if p.grad is not None] == ["fc.weight"]
    assert hooks(mine.network) == 0


def test_threads_get_the_attribution_of_their_own_image() -> None:
    shared = lens_of(Plain())
    images = [noise(96, 96, seed) for seed in range(12)]

    def attribute(image: object) -> list[np.ndarray]:
        found = shared.attribute(image, 2, blocks=["first", "second"])
        return [*found.values(), *found.spatial.values(), found.grad_cam.map]

    expected = [attribute(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(attribute, images))
    for one, other in zip(expected, together, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert hooks(shared.network) == 0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_near(precision: str, lens: Lens) -> None:
    exact = lens.attribute(IMAGE, 0)
    half = lens_of(Residual(), precision=precision).attribute(IMAGE, 0)
    for name, effect in exact.items():
        np.testing.assert_allclose(half[name], effect, atol=0.05)
