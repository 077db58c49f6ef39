"""``sge models import --network``: weights of a network of another library, then shown by their name."""

from __future__ import annotations

import json

import torch
from typer.testing import CliRunner

from sge.__main__ import app
from sge.models.description import Description
from sge.models.libraries import built


def test_weights_are_imported_and_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path / "models"))
    file = tmp_path / "w.pth"
    torch.save(built(Description("timm", "test_resnet", {"num_classes": 3})).state_dict(), file)
    choices = ["--network", "timm:test_resnet", "--groups", "8", "--where", "layer4", "--where", "layer3.0"]
    result = CliRunner().invoke(app, ["models", "import", str(file), "--name", "mine", *choices])
    assert result.exit_code == 0, result.output
    shown = json.loads(CliRunner().invoke(app, ["models", "show", "mine", "--json"]).stdout)
    assert (shown["arch"], shown["gates"]) == ("timm:test_resnet", "inactive")
    assert {block["name"]: block["groups"] for block in shown["blocks"]} == {"layer3.0": 8, "layer4": 8}
