"""The program of docs/export.md runs without this package and without torch, and gives what the package gives."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import sge
from tests.conftest import ROOT
from tests.models.foreign_files import foreign, saved

PAGE = (ROOT / "docs" / "export.md").read_text("utf-8")
WITHOUT = (
    "import sys\nfor name in ('sge', 'torch', 'torchvision', 'timm', 'onnx'):\n    sys.modules[name] = None\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("export")
    shutil.copy(ROOT / "static" / "samples" / "shepherd.jpg", made / "photo.jpg")
    sge.export_onnx(sge.load_model("sge_efficientnet_lite0_tuned"), made / "lite0.onnx")
    return made


def examples():
    return re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.mark.slow
def test_the_program_in_plain_onnx_runtime(folder):
    code = WITHOUT + examples()[0]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    best, without = done.stdout.splitlines()
    lens = sge.Lens(sge.load_model(folder / "lite0.onnx"))
    analysis = lens.analyze(folder / "photo.jpg", framing="center")
    label, score = best.rsplit(" ", 1)
    assert label == analysis.predictions[0].label == "German shepherd"
    # The package resizes the crop alone, so that pixels differ by one of 255 now and then.
    assert float(score) == pytest.approx(analysis.predictions[0].score, abs=0.01)
    groups = {"blocks.5.0": [20, 26, 36]}
    ablation = lens.ablate(folder / "photo.jpg", groups, mode="zero", controls=0, framing="center")
    assert without == ablation.labels[int(ablation.after.argmax())]
    with Image.open(folder / "mask.png") as drawn:
        mask = (
            np.asarray(drawn.resize(analysis.masks["blocks.5.0"].shape[2:0:-1], Image.Resampling.BOX)) / 255
        )
    assert np.corrcoef(mask.ravel(), analysis.masks["blocks.5.0"][20].ravel())[0, 1] > 0.95


@pytest.mark.slow
def test_the_reduced_file(folder, monkeypatch):
    import onnxruntime

    monkeypatch.chdir(folder)
    exec(compile(examples()[1], "docs/export.md", "exec"), {})
    session = onnxruntime.InferenceSession("small.onnx", providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["image"]
    assert [one.name for one in session.get_outputs()] == ["logits", "mask/blocks.5.0"]


def test_a_file_that_somebody_else_made(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path / "models"))
    shutil.copy(ROOT / "static" / "samples" / "kitten.jpg", "photo.jpg")
    saved(foreign(image=("n", 3, 64, 96), gate="attention"), tmp_path, "theirs.onnx")
    exec(compile(examples()[2], "docs/export.md", "exec"), {})
    first, *notes = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\(4, 8, 12\) (cat|dog|other)", first)
    assert any("lacks similarity" in note for note in notes)
    assert (tmp_path / "photo.html").is_file()
