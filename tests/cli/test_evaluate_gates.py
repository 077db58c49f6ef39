"""``sge eval gates``: what it refuses first, then what it prints."""

from __future__ import annotations

import json

import pytest

from sge.cli import evaluate, evaluate_gates
from tests.evaluation.test_accuracy import colours, model
from tests.evaluation.test_gate_accuracy import labelled, peak_model

__all__ = ["colours", "labelled"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(evaluate_gates, "loaded_torch_model", lambda name, finder: peak_model())
    monkeypatch.setattr(evaluate, "loaded_torch_model", lambda name, finder: model())


@pytest.mark.parametrize(
    "options",
    [("--size", 16), ("--batch", 0), ("--limit", 0), ("--framing", "left"), ("--seed", -1), ("--boxes", "x")],
)
def test_usage(sge_command, labelled, options):
    result = sge_command("eval", "gates", labelled, *options)
    assert (result.exit_code, result.stdout) == (2, "")


def test_nothing_named(sge_command):
    result = sge_command("eval", "gates")
    assert result.exit_code == 2
    assert "eval gates [OPTIONS]" in result.stderr


def test_folders_of_that_name_are_sets_of_sge_eval(sge_command, colours, tmp_path, monkeypatch):
    """``./gates`` is a folder; so is ``gates`` in any position but the first."""
    colours.rename(tmp_path / "gates")
    monkeypatch.chdir(tmp_path)
    for arguments in (("./gates", "--json"), ("--json", "gates")):
        record = json.loads(sge_command("eval", *arguments).stdout)
        assert (record["sets"], record["top5"]) == (["gates"], 1.0)


def test_json(sge_command, labelled):
    result = sge_command("eval", "gates", labelled, "--json", "--limit", 4, "--model", "peak")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert (record["model"], record["images"], record["top1"]["value"]) == ("peak", 4, 0.75)
    assert [row["block"] for row in record["blocks"]] == ["all blocks", "first", "second"]
    assert record["blocks"][1]["difference"]["value"] == -0.25


def test_the_table(sge_command, labelled):
    result = sge_command("eval", "gates", labelled)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    for part in ("all blocks", "second", "4 images, top-1 0.750", "-0.250", "+0.000", "mask std"):
        assert part in text


def test_broken_images_are_listed(sge_command, labelled, tmp_path):
    (tmp_path / "more" / "spot").mkdir(parents=True)
    (tmp_path / "more" / "spot" / "[b]0.png").write_bytes(b"\x89PNG cut off")
    result = sge_command("eval", "gates", labelled, tmp_path / "more", "--json")
    assert result.exit_code == 1
    assert "[b]0.png" in result.stderr
    assert json.loads(result.stdout)["images"] == 4
