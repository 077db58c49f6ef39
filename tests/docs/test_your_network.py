"""Each recipe of docs/your_network.md runs in an empty folder with nothing but the files that it names."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from PIL import Image

from app.settings import Settings
from app.slots import Slot
from sge.images import Preprocess
from sge.models import Model, export_onnx
from sge.nn import SGE_RESNETS, build_detector
from tests.conftest import ROOT, fill
from tests.lens.networks import Plain
from tests.models.foreign_files import foreign, saved
from tests.models.test_detectors import CLASSES, as_mmdetection

PAGE = (ROOT / "docs" / "your_network.md").read_text("utf-8")
SECTIONS = {text.partition("\n")[0]: text for text in re.split(r"^## ", PAGE, flags=re.M)[1:]}


def authors_checkpoint(folder: Path) -> None:
    """As the authors save it: a dict with optimizer state, and names of DataParallel."""
    network = fill(SGE_RESNETS["sge_resnet50"]())
    state = {f"module.{key}": values for key, values in network.state_dict().items()}
    torch.save(
        {"epoch": 98, "state_dict": state, "acc": 77.5, "best_acc": 77.6}, folder / "sge_resnet50.pth.tar"
    )


def my_resnet(folder: Path) -> None:
    network = fill(torchvision.models.resnet18(num_classes=3))
    torch.save(network.state_dict(), folder / "my_resnet18.pth")
    (folder / "labels.txt").write_text("cat\ndog\nother\n")


def my_yolo(folder: Path) -> None:
    """With random weights, and a head that is undecided about every class, so that there are boxes."""
    ultralytics = pytest.importorskip("ultralytics", exc_type=ImportError)
    torch.manual_seed(0)
    yolo = ultralytics.YOLO("yolov8n.yaml", verbose=False)
    for scores in yolo.model.model[-1].cv3:
        torch.nn.init.zeros_(scores[-1].bias)
    yolo.save(folder / "my_yolo.pt")


def shapes(folder: Path) -> None:
    """Two squares in the layout of data sets of ultralytics; that SGE learns is tested in tests/app/test_trained_yolo.py."""
    pytest.importorskip("ultralytics")
    for part in ("images", "labels"):
        (folder / "shapes" / part).mkdir(parents=True)
    for at in range(2):
        image = Image.new("RGB", (64, 64), "gray")
        image.paste(("red", "blue")[at], (16, 16, 40, 40))
        image.save(folder / "shapes" / "images" / f"{at}.png")
        (folder / "shapes" / "labels" / f"{at}.txt").write_text(f"{at} 0.4375 0.4375 0.375 0.375\n")
    (folder / "shapes.yaml").write_text(
        "path: shapes\ntrain: images\nval: images\nnames: {0: red, 1: blue}\n"
    )


def detector(folder: Path) -> None:
    """With mmdetection's names; of the smallest depth, in the place of ``depth=50``, and undecided about the classes."""
    torch.manual_seed(0)
    network = build_detector("faster_rcnn", 18, CLASSES)
    torch.nn.init.zeros_(network.roi_heads.box_predictor.cls_score.weight)
    state = as_mmdetection("faster_rcnn", network.state_dict(), new=True)
    torch.save({"meta": {"CLASSES": ("a", "b", "c")}, "state_dict": state}, folder / "epoch_12.pth")
    (folder / "labels.txt").write_text("cat\ndog\nfox\n")


THEIRS = """
import torch
from torch import nn

class GroupAttention(nn.Module):
    def __init__(self, groups):
        super().__init__()
        self.groups = groups
        self.pool, self.gate = nn.AdaptiveAvgPool2d(1), nn.Sigmoid()
        self.weight = nn.Parameter(torch.randn(1, groups, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, groups, 1, 1))

    def forward(self, x):
        parts = x.unflatten(1, (self.groups, -1)).flatten(0, 1)
        scores = (parts * self.pool(parts)).sum(1).flatten(1)
        scores = (scores - scores.mean(1, keepdim=True)) / (scores.std(1, keepdim=True) + 1e-5)
        scores = scores.view(len(x), self.groups, *x.shape[2:]) * self.weight + self.bias
        return (parts * self.gate(scores.flatten(0, 1).unsqueeze(1))).view_as(x)

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 7, 8, 3), nn.BatchNorm2d(32), nn.ReLU())
        self.attention = GroupAttention(8)
        self.head = nn.Linear(32, 2)

    def forward(self, x):
        return self.head(self.attention(self.stem(x)).mean((2, 3)))

torch.manual_seed(0)
network = Network()
"""
"""A network as a repository has it: with a class of its own for the module, biases of 0 and 8 groups."""


def their_network(folder: Path) -> None:
    (folder / "their_network.py").write_text(THEIRS)


def exported(folder: Path) -> None:
    network = fill(Plain())
    labels = ["beagle", "crane", "tabby", "tench", "tub"]
    preprocess = Preprocess(resize=64, size=64)
    export_onnx(Model("mine", network, labels, preprocess=preprocess), folder / "mine.onnx")
    saved(foreign(image=("n", 3, 64, 96), gate="gate"), folder, "theirs.onnx")
    (folder / "labels.txt").write_text("cat\ndog\nother\n")


GIVEN: dict[str, Callable[[Path], None]] = {
    "The authors' checkpoint": authors_checkpoint,
    "My ResNet": my_resnet,
    "My YOLO": my_yolo,
    "A YOLO trained with SGE": shapes,
    "The paper's detectors": detector,
    "A copy of the module from elsewhere": their_network,
    "ONNX only": exported,
}
SAID = {
    "The authors' checkpoint": r"\S.* \(64, \d+, \d+\)\n",
    "My ResNet": r"(cat|dog|other) inactive \(16, \d+, \d+\)\n",
    "A copy of the module from elsewhere": r"attention GroupAttention is SGE: .*\.\n"
    r"trained \{'attention': \(8, \d+, \d+\)\}\n(\[[^]]+\] ?){3}\n",
    "ONNX only": r"onnxruntime \w+ \{'first': \(4, \d+, \d+\), 'second': \(2, \d+, \d+\)\}\n[\d.]+ [\d.]+\n",
    "A YOLO trained with SGE": r"(.|\s)*\['red', 'blue'\] \{'model.4': 16, 'model.6': 16\}\n",
    "The paper's detectors": r"\['background', 'cat', 'dog', 'fox'\] [1-9]\d* \(64, \d+, \d+\)\n",
    "My YOLO": r"[1-9]\d* boxes, best \S.* \(16, \d+, \d+\)\n",
}
EXPORTED = ("ONNX only", "A YOLO trained with SGE")
WITH_BOXES = ("A YOLO trained with SGE", "The paper's detectors")
SMALL = {"The paper's detectors": [("depth=50", "depth=18"), ("size=400", "size=64")]}
"""What is made cheaper in a recipe before it runs here."""
MADE = {
    "The authors' checkpoint": ["photo.html"],
    "My ResNet": ["overlay.png"],
    "My YOLO": ["overlay.png", "photo.html"],
    "A YOLO trained with SGE": ["runs", "shapes.onnx"],
    "The paper's detectors": [],
    "A copy of the module from elsewhere": [],
    "ONNX only": [],
}


def test_every_recipe_is_tested() -> None:
    assert list(SECTIONS) == list(GIVEN)


@pytest.mark.slow
@pytest.mark.parametrize("title", GIVEN)
def test_the_recipe_runs_in_an_empty_folder(title, tmp_path, monkeypatch, sge_command) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    shutil.copy(ROOT / "static" / "samples" / "kitten.jpg", folder / "photo.jpg")
    GIVEN[title](folder)
    given = {path.name for path in folder.iterdir()}
    assert [name for name in given if name.removesuffix(".py") not in SECTIONS[title]] == []
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path / "models"))
    (code,) = re.findall(r"```python\n(.*?)```", SECTIONS[title], re.S)
    code = smaller(title, code)
    assert len([line for line in code.splitlines() if line.strip()]) <= 16
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()) as said:
        warnings.simplefilter("ignore")
        exec(compile(code, f"docs/your_network.md: {title}", "exec"), {"__name__": "recipe"})
    assert re.fullmatch(SAID[title], said.getvalue()), said.getvalue()
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == given | set(MADE[title])
    run_the_lines(title, sge_command)


def smaller(title: str, text: str) -> str:
    for given, here in SMALL.get(title, ()):
        text = text.replace(given, here)
    return text


def run_the_lines(title: str, sge_command) -> None:
    """Runs the lines of the command line; of ``sge serve``, which does not end, the models are loaded."""
    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", SECTIONS[title], re.S) for line in block.splitlines()
    ]
    for line in lines:
        program, *arguments = shlex.split(smaller(title, line), comments=True)
        assert program == "sge"
        if arguments[:2] == ["serve", "--models"]:
            for name, source in Settings(models=arguments[2]).sources.items():
                slot = Slot(name, source)
                slot.load("cpu", "auto", "auto" if title in EXPORTED else "torch")
                assert (slot.error, slot.has_classes) == (None, title not in WITH_BOXES), name
                assert slot.blocks
            continue
        result = sge_command(*arguments)
        assert result.exit_code == 0, (line, result.stdout, result.stderr, result.exception)
        if title == "The paper's detectors":
            first, *boxes = result.stdout.splitlines()
            assert first == "photo.jpg"
            assert boxes
            for box in boxes:
                assert re.fullmatch(r" {2,4}\d{1,3}\.\d %  [abc]  at \d+, \d+, \d+ x \d+ px", box), box
