"""Accuracy: sets that cannot be measured, then counts by hand and the figures of the shipped cards."""

from __future__ import annotations

import math
import shutil
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import sge
from sge.datasets import find_labelled
from sge.errors import BrokenImageError, ChoiceError, DataError, UnsupportedNetworkError
from sge.evaluation.accuracy import evaluate, predict_set
from sge.images.framing import Preprocess
from sge.models.model import Card, Model
from sge.models.registry import shipped_entries
from sge.models.registry_entries import PretrainedEntry
from tests.conftest import fill
from tests.datasets.test_labelled import tar
from tests.drawn_images import encoded, noise, scene

RGB = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


class Brightest(nn.Module):
    """Classifies by the means of the three channels; three more classes have logits 9 lower. It has no SGE."""

    def __init__(self, sharp: float = 1.0) -> None:
        super().__init__()
        self.sharp = sharp
        self.batches: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.batches.append(tuple(x.shape))
        means = x.mean((2, 3))
        return self.sharp * torch.cat([means, means - 9], 1)


def model(network: nn.Module | None = None, **preprocess) -> Model:
    labels = ["red", "green", "blue", "dark red", "dark green", "dark blue"]
    made = Preprocess(size=32, resize=32, **preprocess)
    return Model("colours", network or Brightest(), labels, Card("Colours", "Knows colours."), made, "custom")


def plain(colour: int, width: int = 40, height: int = 40) -> bytes:
    image = scene(width, height)
    image.paste(RGB[colour], (0, 0, width, height))
    return encoded(image)


@pytest.fixture
def colours(tmp_path):
    """Folder red holds two red images and a blue one, and green a green one."""
    folder = tmp_path / "colours"
    for name, colour in (("red/1", 0), ("red/2", 0), ("red/3", 2), ("green/1", 1)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.png").write_bytes(plain(colour))
    # What file managers leave behind is neither a class nor an image.
    (folder / ".cache").mkdir()
    (folder / "red" / ".DS_Store").write_bytes(b"x")
    return folder


def test_no_folder_and_no_images(tmp_path):
    with pytest.raises(DataError, match="There is no folder"):
        evaluate(model(), tmp_path / "gone")
    (tmp_path / "red").mkdir()
    with pytest.raises(DataError, match="no images"):
        evaluate(model(), tmp_path)


@pytest.mark.parametrize(
    "asked", [{"size": 31}, {"size": 1025}, {"batch": 0}, {"precision": "int8"}, {"framing": "left"}]
)
def test_a_setting_out_of_range(colours, asked):
    with pytest.raises(ChoiceError, match=next(iter(asked))):
        evaluate(model(), colours, **asked)


def test_a_broken_image_ends_the_measurement_unless_it_is_skipped(colours):
    (colours / "red" / "0.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    (colours / "green" / "notes.jpg").write_text("no image")
    (colours / "green" / "notes.txt").write_text("no image")
    with pytest.raises(BrokenImageError, match=r"red.0\.jpg: "):
        evaluate(model(), colours, only="0")
    result = evaluate(model(), colours, skip_broken=True)
    assert (result.images, result.skipped, result.top1) == (4, 2, 3 / 4)
    assert sorted(name.rsplit("/", 1)[1] for name in result.broken) == ["0.jpg", "notes.jpg"]
    assert {name.rsplit("/", 1)[1] for name in result.not_images} == {".cache", ".DS_Store", "notes.txt"}
    with pytest.raises(DataError, match="None of the 1 images can be read"):
        evaluate(model(), colours, only="0", skip_broken=True)


def test_a_class_without_images_is_refused(colours):
    (colours / "dark blue").mkdir()
    with pytest.raises(DataError, match="No image of dark blue in"):
        evaluate(model(), colours)
    (colours / "dark blue" / "Thumbs.db").write_bytes(b"x")
    with pytest.raises(
        DataError, match=r"dark blue holds only entries of other kinds: 1, such as Thumbs\.db: a list of"
    ):
        evaluate(model(), colours)
    assert evaluate(model(), colours, only="png").empty == ["dark blue"]
    (colours / "dark blue" / "1.png").write_bytes(b"no image")
    assert evaluate(model(), colours, skip_broken=True).empty == ["dark blue"]


def test_logits_that_are_not_finite(colours):
    with pytest.raises(ChoiceError, match="not finite in float32"):
        evaluate(model(Brightest(float("nan"))), colours)


def test_fewer_labels_than_classes(colours):
    made = model()
    made.labels = made.labels[:3]
    with pytest.raises(ChoiceError, match="Give the Model a label for each class"):
        evaluate(made, colours)


def test_counts_by_hand(colours):
    result = evaluate(model(), colours)
    assert (result.images, result.top1, result.top5, result.top1_among) == (4, 3 / 4, 1, 3 / 4)
    assert (result.per_class, result.empty) == ({"green": 1.0, "red": 2 / 3}, [])
    assert (result.size, result.precision, result.sets) == (32, "float32", ["colours"])
    assert result.confusion is not None
    assert result.confusion.labels == ["red", "green"]
    assert result.confusion.columns == ["red", "green", "another class"]
    assert result.confusion.counts == [[2, 0, 1], [0, 1, 0]]
    # All four are in the last bin: the error is their mean confidence minus the accuracy of 3/4.
    confidences = [confidence(colour) for colour in (0, 0, 2, 1)]
    assert min(confidences) > 14 / 15
    assert result.ece == pytest.approx(sum(confidences) / 4 - 3 / 4, abs=1e-5)


def confidence(colour: int) -> float:
    """Confidence for an image whose one channel is 255 and whose others are 0."""
    mean, std = (torch.tensor(values) for values in (Preprocess().mean, Preprocess().std))
    lit = (torch.eye(3)[colour] - mean) / std
    return float(torch.cat([lit, lit - 9]).softmax(0)[colour])


def test_what_a_lens_reads_is_measured(colours):
    """Outputs that the model's adapter reads, and weights in half precision."""

    class InAnObject(Brightest):
        def forward(self, x):
            return SimpleNamespace(logits=super().forward(x))

    assert evaluate(model(InAnObject()), colours) == evaluate(model(), colours)
    linear = nn.Sequential(nn.Conv2d(3, 6, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        linear[0].weight.copy_(torch.eye(3).repeat(2, 1)[:, :, None, None])
        linear[0].bias.copy_(torch.tensor([0, 0, 0, -9, -9, -9]))
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        assert evaluate(model(linear.to(dtype)), colours).top1 == 3 / 4
    with pytest.raises(UnsupportedNetworkError, match="Linear"):
        evaluate(model(nn.Linear(7, 6)), colours)


def test_the_caller_may_train_between_two_predictions(colours):
    network = Brightest()
    network.train()
    for _ in predict_set(model(network), find_labelled([colours]), batch=1):
        assert torch.is_grad_enabled()
        assert network.training
    assert torch.is_grad_enabled()


def test_the_confidence_of_a_single_logit_is_its_sigmoid(colours):
    class Redness(nn.Module):
        def forward(self, x):
            return 0.1 * x.mean((2, 3))[:, :1]

    made = Model("red", Redness(), ["red"], Card("R", "R."), Preprocess(size=32, resize=32))
    shutil.rmtree(colours / "green")
    found = list(predict_set(made, find_labelled([colours])))
    logits = [0.1 * (lit - Preprocess().mean[0]) / Preprocess().std[0] for lit in (1, 1, 0)]
    expected = sorted(1 / (1 + math.exp(-logit)) for logit in logits)
    assert sorted(one.confidence for one in found) == pytest.approx(expected, abs=1e-5)


def test_the_temperature_of_the_framing_divides(colours):
    """At a very high temperature all six classes are equal: confidence 1/6 at an accuracy of 3/4."""
    result = evaluate(model(whole_temperature=1e6), colours, "whole")
    assert (result.top1, result.ece) == (3 / 4, pytest.approx(3 / 4 - 1 / 6, abs=1e-4))


def test_without_torchmetrics_the_rest_is_measured(colours, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    result = evaluate(model(), colours)
    assert (result.top1, result.ece, result.confusion) == (3 / 4, None, None)


def test_folders_and_archives_together(colours, tmp_path):
    shard = tar(tmp_path / "more.tar", [("2/val_1.png", plain(2)), ("red/val_2.png", plain(0))])
    result = evaluate(model(), [colours, shard])
    assert (result.images, result.top1, result.sets) == (6, 5 / 6, ["colours", "more.tar"])
    assert result.per_class == {"2": 1.0, "green": 1.0, "red": 3 / 4}
    assert evaluate(model(), [colours, shard], only="val_").per_class == {"2": 1.0, "red": 1.0}


@pytest.mark.parametrize("framing", ["whole", "center"])
def test_batches_change_nothing(tmp_path, framing):
    """A network with batch norms, images of several shapes, in every size of batch."""
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 8, 3, 4), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    network = fill(nn.Sequential(*layers, nn.Linear(8, 6)))
    members = [
        (f"{i % 6}/{i}.png", encoded(noise(40 + 32 * (i % 3), 40 + 32 * (i % 2), i))) for i in range(20)
    ]
    shard = tar(tmp_path / "x.tar", members)
    made = model(network)
    alone, *others = (evaluate(made, shard, framing, batch=batch) for batch in (1, 3, 64))
    for other in others:
        assert (other.top1, other.top5, other.top1_among) == (alone.top1, alone.top5, alone.top1_among)
        assert (other.per_class, other.confusion) == (alone.per_class, alone.confusion)
        assert other.ece == pytest.approx(alone.ece, abs=1e-5)


def test_shapes_go_together_and_waiting_is_bounded(tmp_path):
    network = Brightest()
    shard = tar(tmp_path / "x.tar", [(f"red/{i}.png", plain(0, 32 + 32 * (i % 2), 32)) for i in range(8)])
    evaluate(model(network), shard, "whole", batch=3)
    assert sorted(network.batches) == sorted([(3, 3, 32, 32), (3, 3, 32, 64), (1, 3, 32, 32), (1, 3, 32, 64)])
    network.batches.clear()
    shapes = tar(tmp_path / "y.tar", [(f"red/{i}.png", plain(0, 32 * (1 + i % 4), 32)) for i in range(12)])
    evaluate(model(network), shapes, "whole", batch=1)
    assert {shape[0] for shape in network.batches} == {1}


def test_size_and_mode(colours):
    network = Brightest().train()
    assert evaluate(model(network), colours, size=64).size == 64
    assert network.batches == [(4, 3, 64, 64)]
    assert network.training


def test_low_precision(colours):
    layers = nn.Conv2d(3, 6, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    assert (
        evaluate(model(fill(nn.Sequential(*layers))), colours, precision="bfloat16").precision == "bfloat16"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name, entry in shipped_entries().items() if isinstance(entry, PretrainedEntry)]
)
def test_the_cards_figure_is_the_measured_one(name, shared):
    stated = next(row for row in shipped_entries()[name].card.accuracy if row["images"] == 500)
    result = evaluate(sge.load_model(name), shared / "data" / "imagenet_val_dogs")
    assert result.images == 500
    # Within one image: another processor may round two equal logits differently.
    assert abs(result.top1 - stated["top1"]) <= 0.002
