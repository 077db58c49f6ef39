"""``sge train``: what it refuses, what it writes, and what ``sge eval`` measures afterwards."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sge.errors import CheckpointError, MissingPackageError
from sge.models.checkpoint import read_weights
from sge.training.synthetic import make_shapes_dataset


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return make_shapes_dataset(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "paper-imagenet"),
        (["imagewoof"], "Give the images"),
        (["smoke", "--attention", "magic"], "magic"),
        (["smoke", "--set", "teacher_weight=0.5"], "--teacher"),
        (["smoke", "--set", "rate=0.5"], "There is no setting|No setting"),
        (["smoke", "--dense", "layer3.0"], "BLOCK=TEACHER_BLOCK"),
        (["smoke", "--batch", "4000"], "fewer than a batch"),
    ],
)
def test_refused(sge_command, tmp_path, arguments, message):
    result = sge_command("train", *arguments, "--out", tmp_path / "out")
    assert result.exit_code != 0
    assert any(text in str(result.exception) for text in message.split("|"))


def test_a_missing_package_is_found_before_images_are_decoded(sge_command, shapes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    out = tmp_path / "out"
    result = sge_command("train", "smoke", "--train", shapes[0], "--dev", shapes[1], "--out", out)
    assert isinstance(result.exception, MissingPackageError)
    assert "pip install 'sge-lens[train]'" in str(result.exception)
    assert not out.exists()


@pytest.mark.slow
def test_smoke_learns_and_eval_measures_the_same(sge_command, tmp_path):
    out = tmp_path / "out"
    result = sge_command("train", "smoke", "--out", out)
    assert result.exit_code == 0, result.exception
    best = Path(result.stdout.strip())
    card = read_weights(best).metadata["sge.card"]
    top1 = card["accuracy"][0]["top1"]
    assert top1 >= 0.6, "chance is a quarter"
    assert card["made_from"]["config"]["version"] == 2
    rows = (out / "log.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,step,top1,best,loss,lr,")
    assert any((out / "tensorboard").iterdir())
    measured = sge_command("eval", out / "shapes" / "dev", "--model", best, "--json")
    assert measured.exit_code == 0, measured.exception
    assert json.loads(measured.stdout)["top1"] == pytest.approx(top1, abs=1e-4)


@pytest.mark.slow
def test_other_settings_in_the_same_folder_are_refused_by_name(sge_command, shapes, tmp_path):
    arguments = ("train", "smoke", "--train", shapes[0], "--dev", shapes[1], "--out", tmp_path, "--epochs", 1)
    assert sge_command(*arguments).exit_code == 0
    refused = sge_command(*arguments, "--lr", 0.5)
    assert isinstance(refused.exception, CheckpointError)
    assert "differs in lr (0.03 there, 0.5 here)" in str(refused.exception)
