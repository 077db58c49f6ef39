"""``sge eval faithfulness``: what it refuses first, then what it prints."""

from __future__ import annotations

import json

import pytest

from sge.cli import evaluate_faithfulness
from tests.evaluation.test_faithfulness import SPOT, SPOTS, spot_image, spot_model, spots

__all__ = ["spots"]

FEW = ("--steps", 2, "--randomized", 1)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(evaluate_faithfulness, "loaded_torch_model", lambda name, finder: spot_model())


@pytest.fixture
def boxes_file(tmp_path):
    path = tmp_path / "boxes.json"
    boxes = {f"any/{n}.png": [x, y, x + SPOT, y + SPOT] for n, (x, y) in enumerate(SPOTS)}
    path.write_text(json.dumps(boxes))
    return path


@pytest.mark.parametrize(
    "options",
    [
        ("--steps", 1),
        ("--size", 16),
        ("--batch", 0),
        ("--limit", 0),
        ("--framing", "left"),
        ("--randomized", -1),
        ("--confusion", "x.png"),
    ],
)
def test_usage(sge_command, spots, options):
    result = sge_command("eval", "faithfulness", spots, *options)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--block", "layer9"), "there are: block"),
        (("--boxes", "gone.json"), "cannot be read"),
        (("--no-curves",), "only the pointing game is left"),
        (("--log", "gone/log.jsonl"), "Name another file"),
    ],
)
def test_errors_are_sentences(sge_command, spots, options, sentence):
    result = sge_command("eval", "faithfulness", spots, *FEW, *options)
    assert result.exit_code == 1
    assert sentence in str(result.exception)


def test_json(sge_command, spots, boxes_file, tmp_path):
    log = tmp_path / "log.jsonl"
    options = ("--json", "--boxes", boxes_file, "--limit", 3, "--log", log, "--model", "spot", *FEW)
    result = sge_command("eval", "faithfulness", spots, *options)
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert (record["model"], record["images"], record["steps"], record["block"]) == ("spot", 3, 2, "block")
    rows = {row["name"]: row for row in record["methods"]}
    assert rows["mask"]["pointing"] == {"value": 1.0, "low": 1.0, "high": 1.0, "images": 3}
    assert rows["randomized_mask"]["images"] == 1
    assert len(log.read_text().splitlines()) == 4
    assert json.loads(sge_command("eval", "faithfulness", spots, *options).stdout) == record


def test_the_table(sge_command, spots, boxes_file):
    result = sge_command("eval", "faithfulness", spots, "--boxes", boxes_file, *FEW)
    assert result.exit_code == 0, result.stderr
    text = " ".join(result.stdout.split())
    for part in ("Grad-CAM", "random", "6 images", "curves of 2 steps", "0 images have none", "weights"):
        assert part in text
    alone = sge_command("eval", "faithfulness", spots, "--boxes", boxes_file, "--no-curves")
    assert "pointing" in alone.stdout
    assert "insertion" not in alone.stdout


def test_broken_images_are_listed(sge_command, spots):
    (spots / "any" / "[b].png").write_bytes(spot_image(0, 0)[:40])
    result = sge_command("eval", "faithfulness", spots, *FEW, "--only", "b")
    assert "[b].png" in str(result.exception)
    result = sge_command("eval", "faithfulness", spots, *FEW, "--json")
    assert result.exit_code == 1
    assert "[b].png" in result.stderr
    assert json.loads(result.stdout)["skipped"] == 1
