"""Exported models are listed, shown, imported and loaded where torch is not installed; other models say what they need."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest

import sge.models
from sge.models.names import DOGS_MODEL, IDENTITY_PERMUTATION
from sge.models.registry import entries
from tests.conftest import ROOT
from tests.models.exported import exported

WITHOUT = """
import importlib.abc, importlib.util, sys
class Without(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "timm"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])
sys.meta_path.insert(0, Without())
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else find(name, *rest)
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_the_table_of_names_is_that_of_type_checkers():
    tree = ast.parse((ROOT / "sge" / "models" / "__init__.py").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    stated = {node.module: tuple(alias.name for alias in node.names) for node in block.body}
    assert stated == sge.models._MODULES
    assert sorted(sge.models._MODULE_OF) == sorted(sge.models.__all__)
    for name in sge.models.__all__:
        assert getattr(sge.models, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sge.models.nothing  # noqa: B018


def test_the_digest_of_no_permutation_is_that_of_the_networks():
    assert sge.nn.IDENTITY_PERMUTATION == IDENTITY_PERMUTATION


def test_models_without_torch(home):
    made = exported(home)
    made.path.rename(home / f"{DOGS_MODEL}.onnx")
    code = (
        WITHOUT
        + f"""
import json
import sge.devices
from sge.cli.models import app
from sge.errors import MissingPackageError
from sge.models import Model, entries, import_weights, load_model
from typer.testing import CliRunner
lent = load_model({DOGS_MODEL!r})
copied = import_weights({str(home / f"{DOGS_MODEL}.onnx")!r}, "copied")
run = CliRunner().invoke(app, ["list", "--json"])
shown = CliRunner().invoke(app, ["show", "copied"])
try:
    load_model("sge_efficientnet_lite0")
except MissingPackageError as error:
    said = str(error)
print(json.dumps([lent.classes, copied.name, json.loads(run.stdout), shown.stdout, said]))
"""
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    classes, name, listed, shown, said = json.loads(done.stdout.splitlines()[-1])
    assert (classes, name) == (3, "copied.onnx")
    origins = {one["name"]: (one["origin"], one["error"]) for one in listed}
    assert origins["copied"] == origins[DOGS_MODEL] == ("exported", None)
    assert "torch is not installed" in origins["sge_efficientnet_lite0"][1]
    assert "first" in shown
    assert "sge models export" in said


def test_weights_go_before_exported_files_and_these_before_shipped_models(home):
    for name in (
        f"{DOGS_MODEL}.onnx",
        "mine.onnx",
        "mine.safetensors",
        "old.delta.safetensors",
        ".hidden.onnx",
    ):
        (home / name).write_bytes(b"")
    origins = {name: entry.origin for name, entry in entries().items()}
    assert origins[DOGS_MODEL] == "exported"
    assert (origins["mine"], origins["old"]) == ("imported", "tuned")
    assert not [name for name in origins if "hidden" in name]
