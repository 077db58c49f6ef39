"""Records and files of version 1, written by hand."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from sge.analysis.analysis import Analysis
from sge.analysis.atlas import atlas_record
from sge.analysis.data import BlockInfo
from sge.analysis.record import arrays_of, to_record
from sge.errors import AnalysisFileError
from sge.parts.finder import GroupWeight

MASK = np.array([[[0.25, 0.75]], [[0.5, 0.5]]], np.float32)
SIMILARITY = np.array([[[-1, 1]], [[0.5, -0.5]]], np.float32)
ENERGY = np.array([0.75, 0.25], np.float32)
PART = np.array([[0.0, 0.5, 1.0]], np.float32)
HEADER: dict[str, Any] = {
    "version": 1,
    "picture": {"name": "a.png", "width": 64, "height": 32, "format": "PNG", "sha256": "ab" * 32},
    "model": {
        "name": "m",
        "title": "M",
        "sentence": "S.",
        "gates": "awake",
        "sha256": None,
        "opens_with": {"block": "b", "group": 1, "reason": "why"},
    },
    "signal": "mask",
    "default_block": "b",
    "predictions": [{"label": "tabby", "score": 0.75, "index": 281}],
    "blocks": [
        {"name": "b", "groups": 2, "height": 1, "width": 2, "stride": 32, "channels": 64, "sleeping": 1}
    ],
    "parts": [{"name": "nose", "x": 40.5, "y": 20.25, "score": 0.9, "box": [30.0, 10.0, 50.0, 30.0]}],
    "geometry": {
        "picture": [64, 32],
        "input": [64, 32],
        "window": [0.0, 0.0, 64.0, 32.0],
        "framing": "whole",
    },
    "focus": {"b": [0.5, 0.5]},
    "contribution": {"b": [0.75, 0.25]},
    "part_maps": {"nose": {"threshold": 0.4, "mix": [{"block": "b", "group": 1, "weight": 1.0}]}},
}
ARRAYS = {"mask/b": MASK, "similarity/b": SIMILARITY, "contribution/b": ENERGY, "part/nose": PART}


def record() -> dict[str, Any]:
    complete = copy.deepcopy(HEADER)
    complete["masks"], complete["similarity"] = {"b": atlas_record(MASK)}, {"b": atlas_record(SIMILARITY)}
    complete["part_maps"]["nose"] |= atlas_record(PART[None])
    return complete


def write(path: Path) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(record()))
    elif path.suffix == ".npz":
        np.savez(path, **ARRAYS, **{"sge.analysis": np.array(json.dumps(HEADER))})  # type: ignore[arg-type]
    else:
        save_file(ARRAYS, path, {"sge.analysis": json.dumps(HEADER)})
    return path


@pytest.mark.parametrize("ending", [".json", ".npz", ".safetensors"])
def test_files_of_version_1_open(tmp_path: Path, ending: str) -> None:
    analysis = Analysis.open(write(tmp_path / f"a{ending}"))
    step = 0.01 if ending == ".json" else 0
    for values, expected in (
        (analysis.masks["b"], MASK),
        (analysis.similarity["b"], SIMILARITY),
        (analysis.energy["b"], ENERGY),
        (analysis.part_maps["nose"].map, PART),
    ):
        np.testing.assert_allclose(values, expected, rtol=0, atol=step)
    assert analysis.image_info.name == "a.png"
    assert analysis.geometry.image == (64, 32)
    assert analysis.blocks == [BlockInfo("b", 2, 1, 2, 32, 64, inactive=1)]
    assert analysis.part_maps["nose"].terms == [GroupWeight("b", 1, 1.0)]
    assert analysis.parts[0].x == 40.5


@pytest.mark.parametrize(
    ("old", "new"),
    [("inserted", "inactive"), ("awake", "tuned"), ("trained", "trained"), ("none", "none")],  # version 1
)
def test_kinds_of_gates_are_renamed(tmp_path: Path, old: str, new: str) -> None:
    other = record()
    other["model"]["gates"] = old
    (tmp_path / "a.json").write_text(json.dumps(other))
    assert Analysis.open(tmp_path / "a.json").model.gates == new


def test_what_is_saved_again_has_version_2(tmp_path: Path) -> None:
    analysis = Analysis.open(write(tmp_path / "a.npz"))
    assert to_record(analysis)["version"] == 2
    analysis.save(tmp_path / "b.npz")
    again = arrays_of(Analysis.open(tmp_path / "b.npz"))
    assert set(again) == {"mask/b", "similarity/b", "energy/b", "part/nose"}
    for name, values in arrays_of(analysis).items():
        np.testing.assert_array_equal(again[name], values, strict=True)


@pytest.mark.parametrize("key", ["picture", "model", "blocks", "geometry", "contribution"])
def test_records_without_a_field_are_refused(tmp_path: Path, key: str) -> None:
    other = record()
    other.pop(key)
    (tmp_path / "a.json").write_text(json.dumps(other))
    with pytest.raises(AnalysisFileError, match="is damaged or was not written by"):
        Analysis.open(tmp_path / "a.json")
