"""``sge ablate``, and ``sge analyze --target``."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import sge
from sge.analysis import ablation_report
from tests.conftest import ROOT

SHEPHERD = ROOT / "static" / "samples" / "shepherd.jpg"
GROUPS = "blocks.5.0:20,36,26"
MODEL = ("--model", "sge_efficientnet_lite0")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "groups"),
        (("--groups", ""), "BLOCK:NUMBERS"),
        (("--groups", "blocks.5.0:99"), "0 to 55"),
        (("--groups", "blocks.9.9"), "blocks.1.0"),
        (("--groups", "blocks.5.0:x"), "0,3,8-15"),
        (("--groups", GROUPS, "--mode", "half"), "mean"),
        (("--groups", GROUPS, "--controls", "-1"), "controls"),
        (("--groups", GROUPS, "--seed", "-1"), "seed"),
        (("--groups", GROUPS, "--target", "begle"), "beagle"),
        (("--groups", GROUPS, "--target", "1000"), "999"),
        (("--groups", GROUPS, "--top-k", "0"), "top-k"),
    ],
)
def test_usage_errors_exit_2_and_list_the_good_values(sge_command, arguments, says):
    result = sge_command("ablate", SHEPHERD, *MODEL, *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""


def test_no_image_is_a_usage_error(sge_command):
    assert sge_command("ablate", "--groups", "all").exit_code == 2


@pytest.mark.slow
def test_the_table_shows_three_groups_that_nobody_would_look_at(sge_command):
    result = sge_command(
        "ablate", SHEPHERD, *MODEL, "--groups", GROUPS, "--mode", "zero", "--target", "beagle", "--top-k", 2
    )
    assert result.exit_code == 0, result.stderr
    for text in (
        "before",
        "after",
        "change",
        "10 x random",
        "German shepherd",
        "97.2 %",
        "7.3 %",
        "-89.8",
        "beagle",
    ):
        assert text in result.stdout
    bare = sge_command("ablate", SHEPHERD, *MODEL, "--groups", GROUPS, "--controls", 0)
    assert bare.exit_code == 0
    assert "random" not in bare.stdout


@pytest.mark.slow
def test_json_is_the_librarys_report_and_bad_files_are_listed(sge_command, tmp_path):
    shutil.copy(SHEPHERD, tmp_path / "dog.jpg")
    (tmp_path / "cut.jpg").write_bytes(SHEPHERD.read_bytes()[:4000])
    result = sge_command(
        *("ablate", tmp_path, *MODEL, "--groups", GROUPS, "--mode", "zero", "--controls", 2, "--seed", 4),
        *("--target", "beagle", "--target", "207", "--json"),
    )
    assert result.exit_code == 1
    assert "1 done, 1 failed" in result.stderr
    assert "cut.jpg" in result.stderr
    record = json.loads(result.stdout)
    assert record.pop("path") == str(tmp_path / "dog.jpg")
    lens = sge.Lens(sge.load_model("sge_efficientnet_lite0"))
    own = ablation_report(lens.ablate(SHEPHERD, {"blocks.5.0": [20, 26, 36]}, "zero", 2, seed=4), [162, 207])
    assert list(record) == list(own)
    assert record["groups"] == own["groups"]
    for one, other in zip(record["classes"], own["classes"], strict=True):
        assert one["label"] == other["label"]
        assert one["after"] == pytest.approx(other["after"], abs=1e-5)
        assert one["controls"]["values"] == pytest.approx(other["controls"]["values"], abs=1e-5)


# sge analyze --target.


def test_an_unknown_target_of_an_analysis_is_a_usage_error(sge_command, tmp_path):
    result = sge_command("analyze", SHEPHERD, *MODEL, "-o", tmp_path / "out", "--target", "begle")
    assert result.exit_code == 2
    assert "beagle" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "target", "label"),
    [("json", "beagle", "beagle"), ("npz", "162", "beagle"), ("safetensors", "predicted", "German shepherd")],
)
def test_a_record_keeps_the_effects_on_its_target(sge_command, tmp_path, ending, target, label):
    options = ("-o", tmp_path, "--format", ending, "--target", target)
    result = sge_command("analyze", SHEPHERD, *MODEL, *options)
    assert result.exit_code == 0, result.stderr
    kept = sge.Analysis.open(tmp_path / f"shepherd.{ending}").attribution
    own = sge.Lens(sge.load_model("sge_efficientnet_lite0")).attribute(SHEPHERD, label)
    assert kept.target.label == label
    assert list(kept) == list(own)
    for block, values in own.items():
        np.testing.assert_allclose(kept[block], values, rtol=1e-3, atol=1e-4)
