"""``sge models export`` and the other commands on exported files."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from sge.cli import models
from sge.cli.models import app
from sge.errors import ChoiceError, OutputError
from sge.models import load_model
from tests.models.exported import model


def test_export_import_show_verify(tmp_path, monkeypatch):
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("COLUMNS", "160")
    load = models.load_torch_model
    monkeypatch.setattr(models, "load_torch_model", lambda name: model() if name == "small" else load(name))
    out = tmp_path / "out" / "small.onnx"

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    done = run("export", "small", "-o", out)
    assert done.exit_code == 0, done.output
    assert str(out) in done.stdout
    assert "Largest difference to PyTorch: logits" in done.stderr
    assert run("import", out, "--name", "mine").exit_code == 0
    shown = json.loads(run("show", "mine", "--json").stdout)
    assert shown["labels"] == ["beagle", "crane", "tench"]
    assert shown["blocks"][0] == {"name": "first", "channels": 16, "groups": 4, "inactive": 0}
    assert shown["check"]["logits"] < 1e-4
    assert json.loads(run("verify", "mine", "--json").stdout)["ok"]
    assert isinstance(run("export", "mine").exception, ChoiceError)
    (tmp_path / "letter.txt").write_text("mine")
    assert isinstance(run("export", "small", "-o", tmp_path / "letter.txt").exception, OutputError)
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_one_size(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "load_torch_model", lambda name: model())

    def run(*arguments):
        return CliRunner().invoke(app, ["export", "small", *map(str, arguments)])

    assert run("-o", tmp_path / "a.onnx", "--size", "64x96").exit_code == 0
    assert load_model(tmp_path / "a.onnx").size == (64, 96)
    for wrong in ("", "x", "64x", "64x96x3", "-1", "1e9", "9999999"):
        assert isinstance(run("-o", tmp_path / "b.onnx", "--size", wrong).exception, ChoiceError)
    assert not (tmp_path / "b.onnx").exists()
