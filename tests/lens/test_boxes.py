"""Boxes of detectors arrive in pixels of the upright original."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import sge
from sge.errors import ChoiceError, NonFiniteError, SGEError, UnsupportedNetworkError
from sge.images import Box as Window
from sge.images import Geometry
from sge.lens.adapters import ADAPTERS, Output
from sge.lens.boxes import boxes_on_image
from tests.conftest import fill
from tests.drawn_images import encoded, noise, turned
from tests.lens.networks import CLASSES, LABELS, Plain

IMAGE = noise(120, 60)


class Finding(Plain):
    """Finds the left half of every image as class 1, and its lower right quarter as class 3."""

    def forward(self, x: Tensor) -> Any:
        super().forward(x)
        height, width = x.shape[2:]
        boxes = torch.tensor([[width / 2, height / 2, width, height], [0, 0, width / 2, height]])
        one = {"boxes": boxes, "scores": torch.tensor([0.25, 0.75]), "labels": torch.tensor([3, 1])}
        return [one] * len(x)


def lens(network: nn.Module | None = None, **more: Any) -> sge.Lens:
    network = fill(Finding()) if network is None else network
    more = {"labels": list(LABELS), "preprocess": sge.Preprocess(size=64, resize=64)} | more
    return sge.Lens(sge.Model("mine", network, **more), "cpu")


def sides(box: sge.Box) -> list[float]:
    return [box.x, box.y, box.width, box.height]


@pytest.mark.parametrize("size", [None, 96])
def test_of_the_whole_image(size: int | None) -> None:
    seen = lens().analyze(IMAGE, size=size)
    assert [(box.label, box.index, box.score) for box in seen.boxes] == [
        ("crane", 1, 0.75),
        ("maillot, tank suit", 3, 0.25),
    ]
    assert sides(seen.boxes[0]) == pytest.approx([0, 0, 60, 60])
    assert sides(seen.boxes[1]) == pytest.approx([60, 30, 60, 30])
    assert (seen.predictions, seen.fit, seen.model.notes) == ([], None, ())
    assert lens().classify(IMAGE).boxes == lens().analyze(IMAGE).boxes


def test_of_the_crop() -> None:
    assert sides(lens().analyze(IMAGE, "center").boxes[0]) == pytest.approx([30, 0, 30, 60])


def test_of_a_turned_photo() -> None:
    upright = lens().analyze(encoded(noise(60, 120), "PNG"))
    seen = lens().analyze(turned(noise(60, 120), 6))
    assert (seen.image_info.width, seen.image_info.height) == (60, 120)
    assert sides(seen.boxes[0]) == sides(upright.boxes[0]) == pytest.approx([0, 0, 30, 120])


def test_of_each_image_of_a_batch() -> None:
    found = lens()
    frames = [found.frame(noise(120, 60, seed)) for seed in range(3)]
    assert [one.boxes for one in found.analyze_frames(frames)] == [found.analyze(IMAGE).boxes] * 3


def test_without_labels_a_class_has_a_number() -> None:
    assert [box.label for box in lens(labels=None).analyze(IMAGE).boxes] == ["class 1", "class 3"]
    with pytest.raises(ChoiceError, match=r"class 3, and 2 labels are given.*background"):
        lens(labels=["a", "b"]).analyze(IMAGE)


def test_are_cut_off_at_the_edges() -> None:
    geometry = Geometry((100, 50), (64, 32), Window(0, 0, 100, 50), "whole")
    rows = np.float32([[-9, -9, 32, 99, 1, 0], [64, 0, 70, 9, 1, 0], [9, 9, 9, 20, 1, 0]])
    (box,) = boxes_on_image(rows, geometry, None)
    assert sides(box) == pytest.approx([0, 0, 50, 50])


def test_effects_are_refused() -> None:
    for ask in (
        lambda: lens().ablate(IMAGE, "all"),
        lambda: lens().attribute(IMAGE),
        lambda: lens().attribute(IMAGE, "beagle", method="ablation"),
        lambda: lens().grad_cam(IMAGE),
        lambda: lens(labels=None).attribute(IMAGE, 1),
    ):
        with pytest.raises(UnsupportedNetworkError, match=r"Finding gives no logits.*read as boxes"):
            ask()
    assert lens().steps(IMAGE, "first", 0).group == 0


def boxes(values: object) -> Any:
    return lambda _output, _shape: Output(boxes=values)  # type: ignore[arg-type]


FAULTY: dict[str, tuple[Any, type[SGEError], str]] = {
    "returns something else": (
        lambda output, _shape: output,
        UnsupportedNetworkError,
        "returns a Tensor.*Output",
    ),
    "raises": (
        lambda output, _shape: output.logits,
        UnsupportedNetworkError,
        "adapter of Plain fails on a tensor of shape",
    ),
    "takes one argument": (lambda output: output, UnsupportedNetworkError, "adapter of Plain fails"),
    "another number of images": (boxes([]), UnsupportedNetworkError, "no list of floating tensors"),
    "five columns": (boxes([torch.zeros(1, 5)]), UnsupportedNetworkError, "no list of floating tensors"),
    "a number": (boxes(3), UnsupportedNetworkError, "no list of floating tensors"),
    "not finite": (boxes([torch.full((1, 6), torch.nan)]), NonFiniteError, "the boxes"),
    "no such name": ("yolo", ChoiceError, ", ".join(ADAPTERS)),
    "no function": (3, ChoiceError, "a function or a name"),
}


@pytest.mark.parametrize("kind", FAULTY)
def test_adapters_that_fail(kind: str) -> None:
    adapter, error, words = FAULTY[kind]
    with pytest.raises(error, match=words):
        lens(fill(Plain()), adapter=adapter).analyze(IMAGE)


def test_an_adapter_of_ones_own() -> None:
    plain, expected = fill(Plain()), lens(fill(Plain()))
    mine = lens(
        plain,
        adapter=lambda output, shape: Output(output, [torch.tensor([[0, 0, shape[3], shape[2], 1.0, 0]])]),
    )
    seen = mine.analyze(IMAGE)
    assert seen.predictions == expected.analyze(IMAGE).predictions
    assert sides(seen.boxes[0]) == pytest.approx([0, 0, 120, 60])
    assert list(mine.attribute(IMAGE)) == ["first", "second"]
    unread = lens(plain, adapter=None).analyze(IMAGE)
    assert (unread.predictions, unread.boxes) == ([], [])
    assert "has no adapter" in unread.model.notes[0]


def test_models_without_labels() -> None:
    unlabelled, expected = lens(fill(Plain()), labels=None), lens(fill(Plain()))
    seen = unlabelled.analyze(IMAGE)
    assert (seen.predictions, unlabelled.predict(IMAGE), unlabelled.model.labels) == ([], [], None)
    assert "the model has no labels" in seen.model.notes[0]
    np.testing.assert_array_equal(seen.masks["second"], expected.analyze(IMAGE).masks["second"])
    for ask in (lambda: unlabelled.ablate(IMAGE, "all"), lambda: unlabelled.attribute(IMAGE)):
        with pytest.raises(UnsupportedNetworkError, match=r"has no labels.*adapter='logits'"):
            ask()
    stated = lens(fill(Plain()), labels=None, adapter="logits")
    assert stated.analyze(IMAGE).predictions == []
    assert stated.ablate(IMAGE, "all").labels == [f"class {i}" for i in range(CLASSES)]
    assert stated.attribute(IMAGE, 4).target.label == "class 4"
    with pytest.raises(ChoiceError, match="target is 5"):
        stated.attribute(IMAGE, 5)
    with pytest.raises(ChoiceError, match="has no labels"):
        stated.find_target(1)


class Many(Plain):
    """Finds as many objects as it is told to, with falling scores."""

    count, score = 0, 1.0

    def forward(self, x: Tensor) -> Any:
        super().forward(x)
        height, width = x.shape[2:]
        boxes = torch.tensor([[0.25 * width, 0.25 * height, 0.75 * width, 0.5 * height]]).repeat(
            self.count, 1
        )
        scores = torch.linspace(self.score, 0.1, self.count)
        return [{"boxes": boxes, "scores": scores, "labels": torch.ones(self.count).long()}] * len(x)


@pytest.mark.parametrize("count", [0, 1, 300])
def test_any_number_of_boxes(count: int, tmp_path: Path) -> None:
    network = fill(Many())
    network.count = count
    seen = lens(network).analyze(IMAGE)
    assert (len(seen.boxes), seen.is_detector, seen.predictions) == (count, True, [])
    assert [box.score for box in seen.boxes] == sorted([box.score for box in seen.boxes], reverse=True)
    for ending in ("json", "safetensors", "html", "png"):
        seen.save(tmp_path / f"seen.{ending}")
    for ending in ("json", "safetensors"):
        assert len(sge.Analysis.open(tmp_path / f"seen.{ending}").boxes) == count
    assert seen.overlay("first", 0).size == IMAGE.size


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_numbers_that_are_not_finite_are_refused(wrong: float) -> None:
    network = fill(Many())
    network.count, network.score = 3, wrong
    with pytest.raises(NonFiniteError, match="the boxes"):
        lens(network).analyze(IMAGE)


def test_of_a_batch_of_images_of_different_sizes() -> None:
    """Crops of one shape: each box is in the pixels of its own image."""
    found = lens()
    sizes = [(120, 60), (60, 120), (80, 80)]
    frames = [found.frame(noise(*size), "center") for size in sizes]
    for one, (width, height) in zip(found.analyze_frames(frames), sizes, strict=True):
        side = min(width, height)
        expected = [(width - side) / 2, (height - side) / 2, side / 2, side]
        assert sides(one.boxes[0]) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("turn", range(1, 9))
def test_of_every_way_in_which_a_photo_may_be_turned(turn: int) -> None:
    assert sides(lens().analyze(turned(noise(60, 120), turn)).boxes[0]) == pytest.approx([0, 0, 30, 120])


def test_of_an_image_that_is_padded_to_the_only_size_of_the_network() -> None:
    """The image fills the upper half of the input: what is found below it is left out."""
    found = lens(preprocess=sge.Preprocess(size=64, resize=64, fixed=(64, 64)))
    (box,) = found.analyze(IMAGE).boxes
    assert sides(box) == pytest.approx([0, 0, 60, 60])
    assert sides(found.analyze(IMAGE, "center").boxes[0]) == pytest.approx([30, 0, 30, 60])
