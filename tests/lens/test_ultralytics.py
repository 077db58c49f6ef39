"""ultralytics' networks as they are, where the package is installed; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import sge
from sge.errors import ChoiceError, UnsupportedNetworkError
from sge.lens.adapters.anchors import MAX_OVERLAP, MIN_SCORE
from tests.drawn_images import noise

tasks = pytest.importorskip(
    "ultralytics.nn.tasks", exc_type=ImportError, reason="ultralytics is not installed"
)
IMAGE = noise(96, 64)


@pytest.fixture(scope="module")
def yolo() -> nn.Module:
    """YOLO11n of three classes with SGE in two blocks, and random weights by which it finds something."""
    torch.manual_seed(0)
    network = tasks.DetectionModel("yolo11n.yaml", nc=3, verbose=False)
    network.names = {0: "dot", 1: "line", 2: "disc"}
    for level in network.model[-1].cv3:
        nn.init.constant_(level[-1].bias, -0.5)
        level[-1].bias.data += torch.tensor([0.1, 0, 0.2])
    return sge.insert_sge(network, 8, where=["model.4", "model.6"]).eval()


def test_boxes_are_those_of_ultralytics(yolo: nn.Module) -> None:
    from ultralytics.utils.nms import non_max_suppression

    lens = sge.Lens(sge.Model("mine", yolo), "cpu")
    assert lens.model.labels == ["dot", "line", "disc"]
    assert lens.model.preprocess == sge.Preprocess.unnormalized(640)
    seen = lens.analyze(IMAGE, size=64)
    assert [(block.name, block.height, block.width, block.stride) for block in seen.blocks] == [
        ("model.4", 8, 12, 8),
        ("model.6", 4, 6, 16),
    ]
    with torch.no_grad():
        output = yolo(torch.from_numpy(lens.frame(IMAGE, size=64).array)[None])
    (expected,) = non_max_suppression(output, MIN_SCORE, MAX_OVERLAP)
    assert len(seen.boxes) == len(expected) > 1
    for box, row in zip(seen.boxes, expected.tolist(), strict=True):
        assert (box.score, box.index) == (pytest.approx(row[4], abs=1e-4), int(row[5]))
        assert box.label == yolo.names[box.index]
        corners = [box.x, box.y, box.x + box.width, box.y + box.height]
        inside = [min(max(side, 0), most) for side, most in zip(row[:4], (96, 64, 96, 64), strict=True)]
        assert corners == pytest.approx(inside, abs=1e-2)
    assert (seen.predictions, seen.model.notes) == ([], ())


def test_the_classes_of_ultralytics_are_read_from_logits() -> None:
    torch.manual_seed(0)
    network = tasks.ClassificationModel("yolo11n-cls.yaml", nc=3, verbose=False).eval()
    sge.insert_sge(network, 8, where=["model.4"])
    lens = sge.Lens(
        sge.Model("mine", network, ["a", "b", "c"], preprocess=sge.Preprocess.unnormalized(64)), "cpu"
    )
    seen = lens.analyze(IMAGE)
    with torch.no_grad():
        probabilities, _logits = network(torch.from_numpy(lens.frame(IMAGE).array)[None])
    assert [one.score for one in sorted(seen.predictions, key=lambda one: one.index)] == pytest.approx(
        probabilities[0].tolist(), abs=1e-5
    )
    assert list(lens.attribute(IMAGE)) == ["model.4"]


def test_files_and_overlays(yolo: nn.Module, tmp_path: Path) -> None:
    seen = sge.Lens(sge.Model("mine", yolo), "cpu", frozen=True).analyze(IMAGE, size=64)
    assert seen.overlay("model.4", 0).size == (96, 64)
    for ending in ("safetensors", "json", "html", "png"):
        seen.save(tmp_path / f"found.{ending}")
    opened = sge.Analysis.open(tmp_path / "found.json")
    assert [(box.label, box.index) for box in opened.boxes] == [(box.label, box.index) for box in seen.boxes]


def test_the_object_around_the_network(yolo: nn.Module) -> None:
    """``ultralytics.YOLO`` predicts, trains and exports; a Model takes the network in it, and insertion names it."""
    from ultralytics import YOLO

    around = YOLO("yolo11n.yaml", task="detect", verbose=False)
    with pytest.raises(UnsupportedNetworkError, match=r"YOLO is not the network itself.*attribute model"):
        sge.insert_sge(around, where=["model.4"])
    with pytest.raises(ChoiceError, match=r"this is YOLO.*sge\.Model"):
        sge.Lens(around)  # type: ignore[arg-type]
    around.model = yolo
    model = sge.Model("mine", around)
    assert model.network is yolo
    assert (model.labels, model.groups) == (["dot", "line", "disc"], {"model.4": 8, "model.6": 8})


@pytest.mark.parametrize("kind", ["yolo11n-seg.yaml", "yolo11n-obb.yaml"])
def test_boxes_of_other_tasks(kind: str) -> None:
    """Upright boxes beside masks are read; rotated ones are not, and a note says so."""
    torch.manual_seed(0)
    task = tasks.SegmentationModel if "seg" in kind else tasks.OBBModel
    network = task(kind, nc=3, verbose=False).eval()
    network.names = {0: "dot", 1: "line", 2: "disc"}
    for level in network.model[-1].cv3:
        nn.init.constant_(level[-1].bias, 0)
    sge.insert_sge(network, 8, where=["model.4"])
    seen = sge.Lens(sge.Model("mine", network), "cpu").analyze(IMAGE, size=64)
    assert bool(seen.boxes) == ("seg" in kind)
    assert [("rotated" in note) for note in seen.model.notes] == [True] * ("obb" in kind)
