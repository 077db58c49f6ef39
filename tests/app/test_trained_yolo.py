"""An ultralytics YOLO with SGE, trained for a few steps on drawn shapes: in Python, on the command line, behind the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.ops import box_convert, box_iou

import sge
from sge.analysis import unpack_atlases
from tests.app.asking import check_problem
from tests.app.conftest import API, Service, running
from tests.drawn_images import encoded

tasks = pytest.importorskip("ultralytics.nn.tasks", reason="ultralytics is not installed")
pytest.importorskip("onnxruntime")

SIDE, COUNT, STEPS = 64, 4, 16
BLOCKS = ["model.4", "model.6"]
NAMES = ["square", "disc"]


def shapes() -> tuple[Tensor, Tensor, Tensor]:
    """Images (N, 3, h, w) with one red square or blue disc each, their classes (N,) and boxes (N, 4) as x0, y0, x1, y1."""
    random = np.random.default_rng(1)
    images = 0.5 + random.normal(0, 0.03, (COUNT, 3, SIDE, SIDE))
    row, column = np.mgrid[:SIDE, :SIDE] + 0.5
    classes, boxes = np.arange(COUNT) % 2, np.zeros((COUNT, 4))
    for image, kind, box in zip(images, classes, boxes, strict=True):
        side = random.integers(20, 32)
        left, top = random.integers(0, SIDE - side, 2)
        x, y = column - left - side / 2, row - top - side / 2
        inside = np.hypot(x, y) < side / 2 if kind else np.maximum(abs(x), abs(y)) < side / 2
        image[:, inside] = np.array([0.1, 0.3, 0.9] if kind else [0.9, 0.2, 0.1])[:, None]
        box[:] = left, top, left + side, top + side
    return tuple(torch.tensor(values, dtype=torch.float32) for values in (images.clip(0, 1), classes, boxes))  # type: ignore[return-value]


@dataclass
class Trained:
    network: nn.Module
    losses: list[float]
    images: list[Image.Image]
    classes: list[int]
    boxes: Tensor

    def check(self, found: list[sge.Box], image: int) -> None:
        """The best box is that of the drawn shape."""
        best = found[0]
        corners = torch.tensor([[best.x, best.y, best.x + best.width, best.y + best.height]])
        assert (best.index, best.label) == (self.classes[image], NAMES[self.classes[image]])
        assert float(box_iou(corners, self.boxes[image : image + 1])) > 0.5
        assert 0.25 <= best.score <= 1


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Trained by ultralytics' own loss, in a loop of torch."""
    from ultralytics.cfg import get_cfg

    images, classes, boxes = shapes()
    torch.manual_seed(0)
    network = tasks.DetectionModel("yolo11n.yaml", nc=len(NAMES), verbose=False)
    network.names, network.args = dict(enumerate(NAMES)), get_cfg()
    for level in network.model[-1].cv3:
        nn.init.constant_(level[-1].bias, -2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.4  # so that the running statistics follow within so few steps
    sge.insert_sge(network, 8, where=BLOCKS).train()
    batch = {
        "img": images,
        "cls": classes[:, None],
        "bboxes": box_convert(boxes, "xyxy", "cxcywh") / SIDE,
        "batch_idx": torch.arange(COUNT),
    }
    optimizer, losses = torch.optim.AdamW(network.parameters(), lr=3e-3), []
    for _ in range(STEPS):
        loss = network.loss(batch)[0].sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    pixels = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return Trained(
        network.eval(), losses, [Image.fromarray(one) for one in pixels], classes.int().tolist(), boxes
    )


def model(trained: Trained) -> sge.Model:
    return sge.Model("shapes", trained.network, preprocess=sge.Preprocess.unnormalized(SIDE))


@pytest.fixture(scope="module")
def file(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("yolo") / "shapes.onnx"
    sge.export_onnx(model(trained), path)
    return path


@pytest.fixture(scope="module")
def service(file: Path) -> Iterator[Service]:
    with running(models=[str(file)], backend="auto") as started:
        yield started


def test_the_training_moves_the_gates_and_the_loss_falls(trained: Trained) -> None:
    assert trained.losses[-1] < trained.losses[0] / 3
    for block in BLOCKS:
        gate = trained.network.get_submodule(block).sge
        assert float(gate.weight.detach().abs().max()) > 1e-3
        assert float((gate.bias.detach() - 1).abs().max()) > 1e-3


def test_in_python(trained: Trained, tmp_path: Path) -> None:
    lens = sge.Lens(model(trained), "cpu")
    assert (lens.model.labels, lens.model.inactive) == (NAMES, False)
    sure = 0
    for at, image in enumerate(trained.images):
        seen = lens.analyze(image)
        assert [(block.name, block.height, block.width) for block in seen.blocks] == [
            ("model.4", 8, 8),
            ("model.6", 4, 4),
        ]
        assert seen.masks["model.4"].std(axis=(1, 2)).max() > 0
        if seen.boxes:
            trained.check(seen.boxes, at)
            sure += 1
    assert sure >= COUNT / 2
    seen.save(tmp_path / "seen.html")
    seen.save(tmp_path / "seen.safetensors")
    assert sge.Analysis.open(tmp_path / "seen.safetensors").boxes == pytest.approx(seen.boxes)


def found_in(trained: Trained) -> int:
    """Number of an image with a box."""
    lens = sge.Lens(model(trained), "cpu")
    return next(at for at, image in enumerate(trained.images) if lens.classify(image).boxes)


def test_on_the_command_line(trained: Trained, file: Path, tmp_path: Path, sge_command) -> None:
    at = found_in(trained)
    photo = tmp_path / "photo.png"
    trained.images[at].save(photo)
    result = sge_command("predict", photo, "--model", file, "--json")
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["predictions"] == []
    trained.check([sge.Box(**one) for one in facts["boxes"]], at)
    lines = sge_command("predict", photo, "--model", file).stdout.splitlines()
    assert NAMES[trained.classes[at]] in lines[1]
    assert lines[1].endswith(" px")
    result = sge_command("analyze", photo, "--out", tmp_path / "out", "--model", file)
    assert result.stdout.split("\t")[2] == NAMES[trained.classes[at]]
    (record,) = (tmp_path / "out").iterdir()
    trained.check(sge.Analysis.open(record).boxes, at)


def test_behind_the_page(trained: Trained, service: Service) -> None:
    at = found_in(trained)
    listed = service.client.get(f"{API}/models/shapes").json()
    assert (listed["ready"], listed["error"], listed["labels"]) == (True, None, NAMES)

    def ask(route: str, **query: object):
        return service.client.post(
            f"{API}/{route}",
            params=query,
            content=encoded(trained.images[at]),
            headers={"Content-Type": "image/png"},
        )

    page = {"format": "atlas", "blocks": "default", "rest": "true", "preview": 64}
    answer = ask("analyze", **page, target="predicted", method="gradient")
    assert answer.status_code == 200, answer.text
    record = unpack_atlases(answer.content)
    assert [block["name"] for block in record["blocks"]] == BLOCKS
    trained.check([sge.Box(**one) for one in record["boxes"]], at)
    expected = sge.Lens(model(trained), "cpu").analyze(trained.images[at])
    assert [box["score"] for box in record["boxes"]] == pytest.approx(
        [box.score for box in expected.boxes], abs=1e-3
    )
    trained.check([sge.Box(**one) for one in ask("predict").json()], at)
    drawn = [ask("overlay", block="model.4", boxes=boxes).content for boxes in ("true", "false")]
    assert drawn[0] != drawn[1]
    check_problem(ask("ablate", groups="model.4:0"), 422)
