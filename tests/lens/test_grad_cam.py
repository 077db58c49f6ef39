"""Grad-CAM by Captum against gradients computed by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from sge.errors import CaptureError, ChoiceError, UnknownBlockError
from sge.lens.grad_cam import last_map
from sge.lens.lens import Lens
from sge.models.model import Model
from sge.nn import insert_sge
from sge.nn.resnet import build_resnet
from tests.drawn_images import noise
from tests.lens.networks import CLASSES, LABELS, Plain, Residual, lens_of, resnet
from tests.nn.networks import hooks

IMAGE = noise(96, 64)


@pytest.fixture(scope="module")
def lens() -> Lens:
    return lens_of(Residual())


def by_hand(lens: Lens, target: int, layer: str) -> np.ndarray:
    """Selvaraju et al., eq. 1 and 2."""
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _x: object, out: Tensor) -> Tensor:
        seen.append(out.clone())
        return seen[0].clone()  # Later layers work in place.

    handle = lens.network.get_submodule(layer).register_forward_hook(keep)
    logits = lens.network(torch.from_numpy(lens.frame(IMAGE).array)[None])
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[0, target], seen)
    return (gradient.mean((2, 3), keepdim=True) * seen[0]).sum(1)[0].relu().detach().numpy()


def test_refusals(lens: Lens) -> None:
    with pytest.raises(UnknownBlockError, match="no module layer9"):
        lens.grad_cam(IMAGE, layer="layer9")
    with pytest.raises(ChoiceError, match="fc"):
        lens.grad_cam(IMAGE, layer="fc")
    with pytest.raises(ChoiceError, match="No class"):
        lens.grad_cam(IMAGE, "wolf")
    assert hooks(lens.network) == 0


@pytest.mark.parametrize("layer", ["stem", "first", "first.1", "first.2", "second.sge", "second"])
def test_it_equals_the_formula(lens: Lens, layer: str) -> None:
    for target in (0, 3):
        found = lens.grad_cam(IMAGE, target, layer=layer)
        assert found.layer == layer
        assert found.map.dtype == np.float32
        np.testing.assert_allclose(found.map, by_hand(lens, target, layer), atol=1e-5)


def test_the_predicted_class_is_the_default(lens: Lens) -> None:
    index = lens.predict(IMAGE)[0].index
    np.testing.assert_array_equal(lens.grad_cam(IMAGE).map, lens.grad_cam(IMAGE, index).map)
    np.testing.assert_array_equal(lens.attribute(IMAGE).grad_cam.map, lens.grad_cam(IMAGE, index).map)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "layer"),
    [
        (resnet, "layer4"),
        (lambda: build_resnet(18, "cbam", CLASSES), "layer4"),
        (lambda: insert_sge(timm.create_model("efficientnet_lite0", num_classes=CLASSES), 8), "bn2"),
    ],
    ids=["resnet", "cbam", "efficientnet"],
)
def test_the_layer_is_the_last_with_a_map(build: object, layer: str) -> None:
    whole = lens_of(build())
    found = whole.grad_cam(IMAGE, 1)
    assert found.layer == layer
    assert found.map.shape == (3, 4)
    np.testing.assert_allclose(found.map, by_hand(whole, 1, layer), atol=1e-5)


class Auxiliary(Plain):
    """Has a module that the logits do not depend on, and one that the pass does not call."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Conv2d(8, 8, 1)
        self.aside = nn.Conv2d(8, 8, 1)

    def features(self, x: Tensor) -> Tensor:
        self.aside(x)
        return super().features(x)


def test_layers_that_do_not_matter() -> None:
    tested = lens_of(Auxiliary())
    with pytest.raises(CaptureError, match="does not call unused"):
        tested.grad_cam(IMAGE, layer="unused")
    with pytest.raises(ChoiceError, match="do not depend on aside"):
        tested.grad_cam(IMAGE, layer="aside")


def test_a_map_of_one_cell_is_passed_over() -> None:
    tested = lens_of(Plain())
    image = tested._backend.passes.batch(tested.frame(IMAGE).array[None])
    assert last_map(tested._backend.passes, image) == "second"
    tested.network.second.append(nn.AdaptiveAvgPool2d(1))
    again = Lens(tested.model, "cpu")
    assert last_map(again._backend.passes, image) == "second.sge"
    tested.network.stem = nn.Sequential(tested.network.stem, nn.AdaptiveAvgPool2d(1))
    with pytest.raises(CaptureError, match="more than one cell"):
        Lens(Model("one", nn.Sequential(nn.AdaptiveAvgPool2d(1), tested.network), LABELS), "cpu").grad_cam(
            IMAGE
        )


def test_an_attribution_finds_the_layer_in_its_own_pass(lens: Lens) -> None:
    fresh = lens_of(Residual())
    passes: list[int] = []
    fresh.network.fc.register_forward_hook(lambda *_: passes.append(1))
    assert fresh.attribute(IMAGE, 1).grad_cam.layer == lens.grad_cam(IMAGE, 1).layer == "second"
    assert len(passes) == 2
    fresh.grad_cam(IMAGE, 1)
    assert len(passes) == 3


def test_threads_get_the_map_of_their_own_image() -> None:
    shared = lens_of(Plain())
    images = [noise(96, 64, seed) for seed in range(12)]
    expected = [shared.grad_cam(image, 1, layer="first").map for image in images]
    predictions = [shared.predict(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(shared.grad_cam, image, 1, layer="first") for image in images]
        assert list(pool.map(shared.predict, images)) == predictions
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other.result().map)
    assert hooks(shared.network) == 0


def test_frozen_parameters_and_half_precision(lens: Lens) -> None:
    frozen = lens_of(Residual())
    frozen.network.requires_grad_(False)
    expected = lens.grad_cam(IMAGE, 2).map
    np.testing.assert_allclose(frozen.grad_cam(IMAGE, 2).map, expected, atol=1e-6)
    half = lens_of(Residual(), precision="bfloat16").grad_cam(IMAGE, 2).map
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, expected, atol=0.05 * expected.max())
