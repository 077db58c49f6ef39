"""``sge models`` with files that cannot be used among others, and what it says of assumptions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from sge.cli.models import app
from sge.errors import CheckpointError
from sge.models.checkpoint import write_weights
from sge.models.names import ORIGINAL_MODEL
from sge.models.registry import entries, load_model
from sge.nn import SGE_RESNETS
from tests.conftest import fill
from tests.weights import save


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("SGE_MODEL_DIR", str(folder))
    monkeypatch.setenv("COLUMNS", "300")
    return folder


def sge_models(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def put_bad_files(home: Path, state: dict[str, torch.Tensor]) -> dict[str, str]:
    """Writes one model that cannot be used for each reason; returns words of each one's sentence."""
    home.mkdir()
    metadata = {
        "labels": {"sge.labels": [1, 2]},
        "title": {"sge.card": {"title": ["x"], "sentence": "y"}},
        "size": {"sge.preprocess": {"size": 10**9}},
        "arch": {"sge.arch": 3},
    }
    for name, content in metadata.items():
        write_weights(home / f"{name}.safetensors", state, content)
    save_file(state, home / "nan.safetensors", {"sge.preprocess": '{"mean": [NaN, 0, 0]}'})
    (home / "page.safetensors").write_text("<!doctype html>")
    (home / "lfs.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n"
    )
    (home / "folder.safetensors").mkdir()
    (home / "gone.safetensors").symlink_to(home / "nowhere")
    os.mkfifo(home / "pipe.safetensors")
    save_file({"a": torch.ones(1)}, home / "no.delta.safetensors")
    (home / "escape\x1b[31m.safetensors").write_text("x")
    os.close(os.open(os.fsencode(home) + b"/bytes\xff.safetensors", os.O_CREAT))
    write_weights(home / "finder.safetensors", state, {"sge.labels": ["a", "b"]})
    (home / "finder.parts.json").write_text('{"version": 2}')
    return {
        "labels": "label 0 is 1, not text",
        "title": "A card's title",
        "size": "size",
        "arch": "says that it is 3",
        "nan": "no JSON with finite numbers",
        "page": "web page",
        "lfs": "git lfs pull",
        "folder": "it is a folder",
        "gone": "a link to a file that is not there",
        "pipe": "a pipe",
        "no": "carries no checksum",
        "escape\\x1b[31m": "Rename it",
        "bytes\\udcff": "Rename it",
        "finder": "not a part finder",
    }


@pytest.mark.slow
def test_models_that_cannot_be_used_are_listed_with_their_sentences_and_break_no_others(home):
    state = fill(SGE_RESNETS["sge_resnet18"](num_classes=2)).state_dict()
    reasons = put_bad_files(home, {k: v.half() if v.is_floating_point() else v for k, v in state.items()})
    result = sge_models("list", "--json")
    assert result.exit_code == 0, result.exception
    listed = {model["name"]: model for model in json.loads(result.stdout)}
    assert set(listed) == set(reasons) | {ORIGINAL_MODEL, *entries()}
    for name, words in reasons.items():
        assert words in listed[name]["error"], name
    assert listed[ORIGINAL_MODEL]["error"] is None
    result.stdout.encode()
    shown = sge_models("show", "title")
    assert isinstance(shown.exception, CheckpointError)
    assert sge_models("show", ORIGINAL_MODEL).exit_code == 0


@pytest.mark.slow
def test_import_says_what_it_took_and_assumed(home, tmp_path):
    state = fill(SGE_RESNETS["sge_resnet18"](num_classes=2)).state_dict()
    ema = {key: value.clone() for key, value in state.items()}
    path = save(
        tmp_path / "run.pth",
        {"state_dict": {f"module.{k}": v for k, v in state.items()}, "state_dict_ema": ema},
    )
    result = sge_models("import", path, "--name", "mine")
    assert result.exit_code == 0
    for words in (
        "'state_dict' of run.pth",
        "'module'",
        "--take ema",
        "names no labels",
        "states no preprocessing",
    ):
        assert words in result.stderr
    assert "Note" not in result.stdout
    shown = sge_models("show", "mine")
    assert "states no preprocessing" in shown.stdout
    assert len(json.loads(sge_models("show", "mine", "--json").stdout)["notes"]) == 4
    (tmp_path / "labels.txt").write_text("dog\ncat\n")
    given = [
        "--labels",
        tmp_path / "labels.txt",
        "--preprocess",
        json.dumps({"size": 160, "resize": 184}),
        "--take",
        "ema",
    ]
    result = sge_models("import", path, "--name", "mine", *given)
    assert result.exit_code == 0, result.exception
    assert "labels" not in result.stderr
    model = load_model("mine")
    assert (model.labels, model.preprocess.size, model.preprocess.resize) == (["dog", "cat"], 160, 184)
    refused = sge_models("import", path, "--take", "teacher")
    assert "no weights that 'teacher' names" in str(refused.exception)
