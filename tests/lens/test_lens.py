"""Analyses and predictions of a small network, which stays unchanged."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import sge
from sge.errors import (
    BrokenImageError,
    CaptureError,
    ChoiceError,
    ImageError,
    ShapeError,
    UnsupportedNetworkError,
)
from sge.images import reading
from sge.images.decoding import decode
from sge.images.framing import Preprocess, frame
from sge.lens import lens as lens_module
from sge.lens.backends import torch_backend
from sge.lens.lens import Lens
from sge.models.model import Card, Model
from sge.nn import SpatialGroupEnhance
from sge.nn.blocks import sge_blocks
from sge.nn.modes import eval_mode
from sge.parts.finder import Finder
from tests.conftest import ROOT
from tests.drawn_images import encoded, noise, scene, turned


def layer(into: int, out: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


def network(classes: int = 7) -> nn.Module:
    """Three strides of SGE with active gates, batch norms with statistics, and dropout."""
    torch.manual_seed(3)
    made = nn.Sequential(
        nn.Sequential(*layer(3, 16, 8), SpatialGroupEnhance(16, 4)),
        nn.Sequential(*layer(16, 32, 2), SpatialGroupEnhance(32, 8)),
        nn.Sequential(*layer(32, 32, 2), SpatialGroupEnhance(32, 8)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(32, classes),
    )
    for module in made.modules():
        if isinstance(module, SpatialGroupEnhance):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)
    return made.eval()


def model(net: nn.Module | None = None, classes: int = 7) -> Model:
    labels = [f"class {i}" for i in range(classes)]
    return Model(
        "small", net or network(classes), labels, Card("Small", "Untrained."), Preprocess(), "custom"
    )


@pytest.fixture
def lens() -> Lens:
    return Lens(model(), "cpu")


def counted(monkeypatch: pytest.MonkeyPatch, target: object, name: str) -> list[int]:
    calls: list[int] = []
    original = getattr(target, name)

    def count(*args: object, **more: object) -> object:
        calls.append(1)
        return original(*args, **more)

    monkeypatch.setattr(target, name, count)
    return calls


@pytest.mark.parametrize("framing", ["whole", "center"])
def test_one_decode_and_one_forward(lens: Lens, framing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(scene(), "JPEG")
    opened = counted(monkeypatch, reading, "open_formats")
    loaded = counted(monkeypatch, lens_module, "decode")
    forwards: list[torch.Size] = []
    for module in lens.network.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _m, inputs, _out: forwards.append(inputs[0].shape))
    leaves = len([m for m in lens.network.modules() if not list(m.children())])
    lens.analyze(data, framing)
    assert (len(opened), len(loaded)) == (1, 1)
    assert len(forwards) == leaves
    assert forwards[0][0] == 1
    lens.analyze(decode(data), framing)
    assert len(loaded) == 1


def test_predictions_are_the_networks_best_first(lens: Lens) -> None:
    seen = lens.analyze(scene(), "center", top_k=4)
    with torch.no_grad():
        scores = lens.network(
            torch.from_numpy(frame(decode(scene()), Preprocess(), "center").array)[None]
        ).softmax(1)[0]
    best = scores.argsort(descending=True)[:4]
    assert [found.index for found in seen.predictions] == best.tolist()
    assert [found.label for found in seen.predictions] == [f"class {i}" for i in best.tolist()]
    assert [found.score for found in seen.predictions] == pytest.approx(scores[best].tolist(), abs=1e-6)
    assert seen.predictions[0].score > seen.predictions[-1].score


def test_a_single_logit_is_compared_with_none_of_it() -> None:
    """A softmax over one class would be 1 for every image."""
    made = model(network(1), 1)
    image = torch.from_numpy(frame(decode(scene()), Preprocess()).array)[None]
    with torch.no_grad():
        expected = made.network(image).sigmoid().item()
    assert 0.001 < expected < 0.999
    lens = Lens(made, "cpu")
    assert lens.predict(scene())[0].score == pytest.approx(expected, abs=1e-6)
    removed = lens.ablate(scene(), {"1": [0]}, mode="zero", controls=1)
    assert removed.before[0] == pytest.approx(expected, abs=1e-6)
    assert removed.after[0] != removed.before[0]


def test_how_many_predictions(lens: Lens) -> None:
    assert len(lens.analyze(scene()).predictions) == 5
    assert len(lens.analyze(scene(), top_k=1).predictions) == 1
    for many in (7, 8, 1000):
        got = lens.analyze(scene(), top_k=many).predictions
        assert sorted(one.index for one in got) == list(range(7))
        assert sum(one.score for one in got) == pytest.approx(1)
    for few in (0, -1):
        with pytest.raises(ChoiceError, match=f"top_k is {few}"):
            lens.analyze(scene(), top_k=few)
    assert len(Lens(model(network(2), 2), "cpu").analyze(scene()).predictions) == 2


@pytest.mark.parametrize("framing", ["whole", "center"])
def test_masks_are_of_the_similarity(lens: Lens, framing: str) -> None:
    seen = lens.analyze(noise(300, 200), framing)
    gates = sge_blocks(lens.network)
    assert [block.name for block in seen.blocks] == list(gates) == list(seen.masks) == ["0", "1", "2"]
    for block in seen.blocks:
        gate, t, mask = gates[block.name], seen.similarity[block.name], seen.masks[block.name]
        weight, bias = (p.detach().numpy()[0] for p in (gate.weight, gate.bias))
        assert np.abs(mask - 1 / (1 + np.exp(-(weight * t + bias)))).max() < 1e-6
        assert mask.dtype == t.dtype == np.float32
        assert mask.shape == t.shape == (block.groups, block.height, block.width)
        assert np.abs(t.mean((1, 2))).max() < 1e-4
        assert seen.energy[block.name].shape == (block.groups,)
        assert seen.energy[block.name].sum() == pytest.approx(1)
        assert seen.geometry.grids[block.name] == (block.height, block.width)
        assert block.inactive == 0
    assert [block.stride for block in seen.blocks] == [8, 16, 32]
    assert [block.channels for block in seen.blocks] == [16, 32, 32]
    assert seen.signal == "mask"


def test_inactive_gates_are_counted(lens: Lens) -> None:
    gates = sge_blocks(lens.network)
    with torch.no_grad():
        gates["1"].weight[0, :3] = 0
    assert [block.inactive for block in lens.analyze(scene()).blocks] == [0, 3, 0]
    for gate in gates.values():
        nn.init.zeros_(gate.weight)
    assert lens.analyze(scene()).signal == "similarity"


def test_a_batch_equals_its_images_one_by_one(lens: Lens) -> None:
    frames = [frame(decode(noise(90, 60, seed)), Preprocess(), "whole", 64) for seed in range(5)]
    together = lens.analyze_frames(frames, 7)
    for one, seen in zip(frames, together, strict=True):
        alone = lens.analyze_frames([one], 7)[0]
        assert [p.index for p in seen.predictions] == [p.index for p in alone.predictions]
        assert [p.score for p in seen.predictions] == pytest.approx(
            [p.score for p in alone.predictions], abs=1e-5
        )
        for name in alone.masks:
            for got, wanted in (
                (seen.masks, alone.masks),
                (seen.similarity, alone.similarity),
                (seen.energy, alone.energy),
            ):
                np.testing.assert_allclose(got[name], wanted[name], atol=1e-4)
        assert (seen.geometry, seen.blocks, seen.image_info) == (
            alone.geometry,
            alone.blocks,
            alone.image_info,
        )
    assert len({seen.image_info.sha256 for seen in together}) == 5
    assert np.abs(together[0].similarity["2"] - together[1].similarity["2"]).max() > 0.1


def test_frames_of_other_shapes(lens: Lens) -> None:
    frames = [frame(decode(scene()), Preprocess(), "whole", size) for size in (64, 96)]
    for wrong in (frames, []):
        for method in (lens.analyze_frames, lens.predict_frames):
            with pytest.raises(ShapeError, match="one shape"):
                method(wrong)
    with pytest.raises(ChoiceError):
        lens.analyze_frames(frames[:1], 0)


def mixed(net: nn.Module) -> list[bool]:
    """Sets training flags that no single train() or eval() gives, and returns them."""
    net.train()
    net[1][1].eval()
    net[5].eval()
    net[2].eval()
    net[2][1].train()
    return [module.training for module in net.modules()]


def test_the_network_is_left_as_it_was() -> None:
    net = network()
    lens = Lens(model(net), "cpu")
    expected = lens.analyze(noise(90, 60), top_k=7)
    flags = mixed(net)
    state = {key: value.clone() for key, value in net.state_dict().items()}
    inside: list[bool] = []
    handle = net[0].register_forward_hook(lambda *_: inside.append(torch.is_grad_enabled()))
    seen = lens.analyze(noise(90, 60), top_k=7)
    handle.remove()
    assert inside == [False]
    again = lens.analyze(noise(90, 60), top_k=7)
    assert [module.training for module in net.modules()] == flags
    assert seen.predictions == again.predictions == expected.predictions
    assert all(torch.equal(state[key], value) for key, value in net.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())
    assert torch.is_grad_enabled()
    net.train()(torch.randn(2, 3, 64, 64)).sum().backward()  # Inference mode must leave no inference tensors.
    assert net[0][0].weight.grad is not None


class Breaks(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("no")


def test_also_after_a_failure() -> None:
    net = network()
    net[6] = Breaks()
    flags = mixed(net)
    lens = Lens(model(net), "cpu")
    with pytest.raises(UnsupportedNetworkError, match=r"shape \(1, 3, 224, 320\).*no\). Choose .*fixed=\("):
        lens.analyze(scene())
    assert [module.training for module in net.modules()] == flags
    assert not any(module._forward_hooks for module in net.modules())
    with eval_mode(net):
        assert not any(module.training for module in net.modules())
    assert [module.training for module in net.modules()] == flags


def test_wrong_choices(lens: Lens) -> None:
    with pytest.raises(ChoiceError, match="whole, center"):
        lens.analyze(scene(), "squash")
    for size in (0, 31, 1025):
        with pytest.raises(ChoiceError, match="32 to 1024"):
            lens.analyze(scene(), size=size)
    for device in ("gpu", "", "cuda:99", "cpu:x", "meta", "hpu", "xla"):
        with pytest.raises(ChoiceError, match="does not offer"):
            Lens(model(), device)
    for precision in ("", "float64", "half", "int8"):
        with pytest.raises(ChoiceError, match="bfloat16"):
            Lens(model(), "cpu", precision)
    with pytest.raises(CaptureError, match="no SGE module"):
        Lens(model(nn.Sequential(nn.Conv2d(3, 3, 1))), "cpu")


def test_a_refused_device_leaves_the_network() -> None:
    net = network()
    with pytest.raises(ChoiceError):
        Lens(model(net), "meta")
    assert {parameter.device.type for parameter in net.parameters()} == {"cpu"}


def test_wrong_images(lens: Lens, tmp_path: Path) -> None:
    with pytest.raises(BrokenImageError):
        lens.analyze(b"")
    with pytest.raises(ImageError):
        lens.analyze(tmp_path)
    assert not any(module._forward_hooks for module in lens.network.modules())


@pytest.mark.parametrize("size", [32, 100, 448])
def test_other_sizes(lens: Lens, size: int) -> None:
    seen = lens.analyze(noise(50, 50), "center", size=size)
    assert seen.geometry.input == (size, size)
    assert seen.masks["0"].shape[1:] == ((size + 7) // 8,) * 2


def test_maps_of_one_cell(lens: Lens) -> None:
    seen = lens.analyze(noise(40, 40), "whole", size=32)
    gate = sge_blocks(lens.network)["2"]
    assert seen.masks["2"].shape == (8, 1, 1)
    assert (seen.similarity["2"] == 0).all()
    bias = gate.bias.detach().numpy()[0]
    np.testing.assert_allclose(seen.masks["2"], 1 / (1 + np.exp(-bias)), rtol=1e-6)
    assert seen.geometry.to_image("2", 0, 0) == (0, 0, 40, 40)
    assert np.isfinite(seen.energy["2"]).all()
    assert (seen.focus("2") == 0).all()
    assert all(0 <= one.score <= 1 for one in seen.predictions)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_near(precision: str) -> None:
    net = network()
    exact = Lens(model(net), "cpu").analyze(noise(90, 60), top_k=7)
    dtypes: list[torch.dtype] = []
    handle = net[6].register_forward_hook(lambda _m, _i, out: dtypes.append(out.dtype))
    half = Lens(model(net), "cpu", precision).analyze(noise(90, 60), top_k=7)
    handle.remove()
    assert dtypes == [getattr(torch, precision)]
    scores = {one.index: one.score for one in half.predictions}
    assert [scores[one.index] for one in exact.predictions] == pytest.approx(
        [one.score for one in exact.predictions], abs=0.05
    )
    assert half.masks["0"].dtype == np.float32
    assert np.abs(half.masks["0"] - exact.masks["0"]).mean() < 0.05
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


def test_auto_is_float32_on_the_available_device() -> None:
    lens = Lens(model())
    assert lens.precision == "float32"
    assert lens.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert {parameter.device.type for parameter in lens.network.parameters()} == {lens.device.type}


def test_facts_about_image_and_model(lens: Lens, tmp_path: Path) -> None:
    path = tmp_path / "dog.jpg"
    path.write_bytes(turned(scene(60, 40), 6, "JPEG"))
    seen = lens.analyze(path)
    assert (seen.image_info.name, seen.image_info.width, seen.image_info.height) == ("dog.jpg", 60, 40)
    assert seen.image_info.sha256 == decode(path).sha256
    assert seen.image_info.format == "JPEG"
    assert seen.geometry.image == seen.require_image().size == (60, 40)
    assert (seen.model.name, seen.model.title, seen.model.gates) == ("small", "Small", "trained")


def test_every_kind_of_source(lens: Lens, tmp_path: Path) -> None:
    data = encoded(scene())
    path = tmp_path / "a.png"
    path.write_bytes(data)
    sources = [data, path, str(path), io.BytesIO(data), scene(), decode(data)]
    seen = [lens.analyze(source) for source in sources]
    for one in seen[1:]:
        assert one.predictions == seen[0].predictions
        assert (one.masks["2"] == seen[0].masks["2"]).all()


@pytest.mark.slow
def test_the_shipped_model() -> None:
    """A shepherd is recognized with both framings; its masks have the size that the strides give."""
    shipped = Lens(sge.load_model("sge_efficientnet_lite0"), "cpu")
    photo = ROOT / "static" / "samples" / "shepherd.jpg"
    for framing in ("whole", "center"):
        seen = shipped.analyze(photo, framing)
        assert "shepherd" in seen.predictions[0].label.lower()
        assert seen.signal == "similarity"
        wide, high = seen.geometry.input
        for block in seen.blocks:
            assert (block.width, block.height) == (wide // block.stride, high // block.stride)
            np.testing.assert_allclose(seen.masks[block.name], 1 / (1 + np.exp(-1)), rtol=1e-6)


def test_a_label_is_needed_for_each_class() -> None:
    with pytest.raises(ChoiceError, match="has 7 classes, and 3 labels"):
        Lens(model(network(7), 3), "cpu").analyze(scene())
    with pytest.raises(ChoiceError, match="has 7 classes, and 3 labels"):
        Lens(model(network(7), 3), "cpu").predict(scene())


@pytest.mark.parametrize("framing", ["whole", "center"])
def test_predictions_are_those_of_the_analysis(lens: Lens, framing: str) -> None:
    for image in (scene(), noise(90, 60)):
        assert lens.predict(image, framing, 4) == lens.analyze(image, framing, 4).predictions
    frames = [lens.frame(noise(90, 60, seed), framing) for seed in range(3)]
    analyses = lens.analyze_frames(frames, 3)
    assert lens.predict_frames(frames, 3) == [analysis.predictions for analysis in analyses]


def test_predicting_captures_nothing_and_searches_no_parts(
    lens: Lens, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("called")

    monkeypatch.setattr(torch_backend, "Capture", refuse)
    lens.model.finder = Finder({}, lens.model.permutations)
    assert len(lens.predict(scene(), top_k=3)) == 3
    with pytest.raises(AssertionError, match="called"):
        lens.analyze(scene())
    for few in (0, -1):
        with pytest.raises(ChoiceError, match=f"top_k is {few}"):
            lens.predict(scene(), top_k=few)


def test_threads_get_the_masks_of_their_own_image(lens: Lens) -> None:
    images = [noise(90, 60, seed) for seed in range(12)]
    alone = [lens.analyze(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lens.analyze, images))
    for one, other in zip(alone, together, strict=True):
        assert one.predictions == other.predictions
        for name in one.masks:
            np.testing.assert_array_equal(one.masks[name], other.masks[name])
