"""``sge eval``: what it refuses first, then what it prints."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from PIL import Image

from sge.cli import evaluate
from tests.evaluation.test_accuracy import colours, model

__all__ = ["colours"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(evaluate, "loaded_torch_model", lambda name, finder: model())


@pytest.mark.parametrize(
    "options",
    [
        ("--size", 16),
        ("--size", 2000),
        ("--batch", 0),
        ("--precision", "int8"),
        ("--framing", "left"),
        ("--confusion", "."),
        ("--confusion", "matrix.pdf"),
        ("--confusion", "gone/matrix.png"),
        ("--confusion", "file.txt/matrix.png"),
        ("--confusion", "folder.png"),
    ],
)
def test_usage(sge_command, colours, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").touch()
    (tmp_path / "folder.png").mkdir()
    result = sge_command("eval", colours, *options)
    assert (result.exit_code, result.stdout) == (2, "")


def test_nothing_named(sge_command):
    assert sge_command("eval").exit_code == 2


def test_a_missing_set(sge_command, tmp_path):
    result = sge_command("eval", tmp_path / "gone")
    assert result.exit_code == 1
    assert "There is no folder" in str(result.exception)


def test_confusion_without_torchmetrics(sge_command, colours, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    result = sge_command("eval", colours, "--confusion", tmp_path / "x.png")
    assert result.exit_code == 1
    assert "pip install 'sge-lens[train]'" in str(result.exception)
    result = sge_command("eval", colours)
    assert result.exit_code == 0
    assert "not measured" in result.stdout
    assert "pip install 'sge-lens[train]'" in result.stderr
    assert json.loads(sge_command("eval", colours, "--json").stdout)["ece"] is None


@pytest.mark.slow
def test_a_broken_image_that_is_skipped(sge_command, colours):
    (colours / "red" / "[b]0.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    (colours / "dark blue").mkdir()
    (colours / "dark blue" / "1.png").write_bytes(b"no image")
    result = sge_command("eval", colours, "--only", "0")
    assert result.exit_code == 1
    assert "[b]0.jpg: " in str(result.exception)
    result = sge_command("eval", colours)
    assert "No image was measured of, and so not counted: dark blue" in result.stderr
    shutil.rmtree(colours / "dark blue")
    result = sge_command("eval", colours)
    assert result.exit_code == 1
    assert "1 skipped as broken" in " ".join(result.stdout.split())
    assert "[b]0.jpg" in result.stderr
    result = sge_command("eval", colours, "--skip-broken", "--json")
    assert result.exit_code == 1
    record = json.loads(result.stdout)
    assert (record["skipped"], record["images"], len(record["broken"])) == (1, 4, 1)


@pytest.mark.slow
def test_json(sge_command, colours, tmp_path):
    options = ("--json", "--size", 64, "--batch", 3, "--only", "png", "--confusion", tmp_path / "x.png")
    result = sge_command("eval", colours, *options, "--model", "colours")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert record.pop("ece") == pytest.approx(0.25, abs=0.05)
    assert record == {
        "model": "colours",
        "images": 4,
        "top1": 0.75,
        "top5": 1.0,
        "top1_among": 0.75,
        "per_class": {"green": 1.0, "red": 2 / 3},
        "framing": "center",
        "size": 64,
        "precision": "float32",
        "sets": ["colours"],
        "only": "png",
        "skipped": 0,
        "broken": {},
        "not_images": {
            str(colours / ".cache"): "hidden",
            str(colours / "red" / ".DS_Store"): "settings of a folder that macOS makes",
        },
        "notes": {},
        "empty": [],
        "confusion": {
            "indices": [0, 1],
            "labels": ["red", "green"],
            "columns": ["red", "green", "another class"],
            "counts": [[2, 0, 1], [0, 1, 0]],
        },
    }
    with Image.open(tmp_path / "x.png") as image:
        assert image.format == "PNG"


def test_the_table(sge_command, colours, monkeypatch):
    result = sge_command("eval", colours, "--device", "cpu")
    assert result.exit_code == 0
    for text in (
        "top-1 over all classes",
        "0.750",
        "calibration",
        "top-1, red",
        "0.667",
        "framing center, 32",
    ):
        assert text in result.stdout
    monkeypatch.setattr(evaluate, "SHOWN", 1)
    result = sge_command("eval", colours)
    assert "1 worst of 2 classes" in result.stdout
    assert "top-1, green" not in result.stdout
