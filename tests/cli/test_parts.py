"""``sge parts`` with the shipped model on shipped photos."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from sge.cli.parts import _line
from sge.errors import FinderError
from sge.images import Box
from sge.models import DEFAULT_MODEL, ORIGINAL_MODEL, load_model
from sge.parts import Part
from tests.conftest import ROOT

SAMPLES = ROOT / "static" / "samples"


@pytest.fixture
def labels(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("shepherd", "chelsea"):
        shutil.copy(SAMPLES / f"{name}.jpg", folder)
    path = tmp_path / "own.json"
    images = [{"file": "shepherd.jpg", "nose": [405, 217]}, {"file": "chelsea.jpg", "nose": [262, 243]}]
    path.write_text(json.dumps({"images": images}))
    return path


def test_labels_that_are_not_there(sge_command, tmp_path):
    result = sge_command("parts", "fit", tmp_path / "none.json", "-o", tmp_path / "a.json")
    assert result.exit_code == 1
    assert "cannot be read" in str(result.exception)


def test_a_folder_without_images(sge_command, labels, tmp_path):
    (tmp_path / "empty").mkdir()
    result = sge_command("parts", "fit", labels, "-o", tmp_path / "a.json", "--without", tmp_path / "empty")
    assert result.exit_code == 1
    assert "no images" in str(result.exception)


@pytest.mark.parametrize(
    "arguments",
    [("fit",), ("find",), ("evaluate",), ("fit", "x.json"), ("find", "--by", "best", "x.jpg"), ("dance",)],
)
def test_usage_errors_exit_2(sge_command, arguments):
    assert sge_command("parts", *arguments).exit_code == 2


@pytest.mark.slow
def test_fit_then_find(sge_command, labels, tmp_path):
    out = tmp_path / "mine.parts.json"
    assert sge_command("parts", "fit", labels, "-o", out).exit_code == 0
    result = sge_command("parts", "find", labels.with_suffix(""), "--finder", out, "--json")
    assert result.exit_code == 0, result.stderr
    records = {
        json.loads(line)["path"].split("/")[-1]: json.loads(line) for line in result.stdout.splitlines()
    }
    nose = records["chelsea.jpg"]["parts"][0]
    assert nose["name"] == "nose"
    assert abs(nose["x"] - 262) < 30
    assert abs(nose["y"] - 243) < 30


@pytest.mark.slow
def test_a_finder_of_other_channels_is_refused(sge_command, labels, tmp_path):
    out = tmp_path / "mine.parts.json"
    sge_command("parts", "fit", labels, "-o", out)
    out.write_text(json.dumps(json.loads(out.read_text()) | {"permutations": "0" * 64}))
    result = sge_command("parts", "find", SAMPLES / "shepherd.jpg", "--finder", out)
    assert result.exit_code == 1
    assert "another channel permutation" in str(result.exception)


@pytest.mark.slow
def test_the_shipped_finder(sge_command):
    """A shepherd's nose and eyes, each within a twentieth of the image."""
    result = sge_command("parts", "find", SAMPLES / "shepherd.jpg", "--json")
    assert result.exit_code == 0, result.stderr
    parts = {part["name"]: (part["x"], part["y"]) for part in json.loads(result.stdout)["parts"]}
    assert set(parts) == {"nose", "left_eye", "right_eye"}
    for name, (x, y) in {"nose": (405, 217), "left_eye": (372, 160), "right_eye": (423, 157)}.items():
        assert math.hypot(parts[name][0] - x, parts[name][1] - y) < 584 / 20


@pytest.mark.slow
def test_too_few_images_to_hold_some_out(sge_command, labels):
    entries = json.loads(labels.read_text())["images"]
    labels.write_text(json.dumps({"images": entries[:1]}))
    for options in ((), ("--single",)):
        result = sge_command("parts", "evaluate", labels, *options)
        assert result.exit_code == 1
        assert isinstance(result.exception, FinderError)
        assert "Label at least 10 images" in str(result.exception)


@pytest.mark.parametrize("path", [".", "/"])
def test_a_folder_is_no_file_of_labels(sge_command, tmp_path, path):
    result = sge_command("parts", "fit", path, "-o", tmp_path / "a.json")
    assert isinstance(result.exception, FinderError)
    assert "cannot be read" in str(result.exception)


@pytest.mark.slow
def test_evaluate_prints_cross_validated_figures(sge_command, labels):
    entries = json.loads(labels.read_text())["images"]
    labels.write_text(json.dumps({"images": entries * 5}))
    result = sge_command("parts", "evaluate", labels, "--json", "--shots", "2")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert [(row["part"], row["images"]) for row in record["measured"]] == [("nose", "all"), ("nose", "sure")]
    for row in record["measured"]:
        assert row["shown"] == 10
        assert row["auc"] is None
        # Each image is also among those of the fit.
        assert row["hits"]["0.1"]["value"] == 1
    assert record["from_2"]["nose"]["0.1"] > 0.5


def test_an_image_in_which_nothing_is_found_gets_the_finders_sentence(sge_command, tmp_path):
    Image.new("RGB", (320, 240), (120, 130, 140)).save(tmp_path / "wall.png")
    for model in (DEFAULT_MODEL, ORIGINAL_MODEL):
        result = sge_command("parts", "find", tmp_path / "wall.png", "--model", model)
        assert result.exit_code == 0
        assert result.stdout.rstrip().endswith(f"wall.png\t{load_model(model).finder.nothing_found}")


def test_a_line_names_the_face_and_what_is_unsure():
    part = Part("left_eye", 10.6, 20.2, 0.314, Box(0, 0, 20, 30), face=1, sure=False)
    assert _line(part) == "  0.314  left_eye\t11\t20\tface 2\tunsure"
    assert _line(replace(part, sure=True)) == "  0.314  left_eye\t11\t20\tface 2"
