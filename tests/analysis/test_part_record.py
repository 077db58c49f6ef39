"""Parts in files: faces, doubts and what maps are made of come back from every kind of file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sge.analysis.analysis import Analysis
from sge.analysis.part_record import part_map_header, part_map_of, part_of, part_record
from sge.errors import AnalysisFileError
from sge.images import Box
from sge.parts import Part
from tests.analyses import made

PARTS = [
    Part("nose", 40.5, 30.25, 0.9, Box(30.0, 20.0, 50.0, 40.0)),
    Part("left_eye", 20.0, 10.0, 0.3, Box(10.0, 0.0, 30.0, 20.0), 1, False),
]


def analyzed() -> Analysis:
    analysis = made()
    maps = {name: replace(one, source="groups and channels") for name, one in analysis.part_maps.items()}
    return replace(
        analysis, parts=PARTS, part_maps=maps, model=replace(analysis.model, part_finders=("mix", "groups"))
    )


@pytest.mark.parametrize("suffix", [".json", ".npz", ".safetensors"])
def test_every_file_keeps_them(tmp_path: Path, suffix: str) -> None:
    analyzed().save(tmp_path / f"a{suffix}")
    back = Analysis.open(tmp_path / f"a{suffix}")
    assert back.parts == PARTS
    assert back.part_maps["nose"].source == "groups and channels"
    assert back.model.part_finders == ("mix", "groups")


def test_a_report_holds_them(tmp_path: Path) -> None:
    analyzed().save(tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text("utf-8").replace(" ", "")
    for said in (
        '"face":1',
        '"sure":false',
        '"source":"groupsandchannels"',
        '"part_finders":["mix","groups"]',
    ):
        assert said in text


def test_a_part_comes_back() -> None:
    for part in PARTS:
        record = part_record(part)
        assert isinstance(record["box"], list)
        assert part_of(record) == part
        older = {key: value for key, value in record.items() if key not in ("face", "sure")}
        assert part_of(older) == replace(part, face=0, sure=True)


HOSTILE = {
    "a position that is not a number": {"x": float("nan")},
    "a position that is a text": {"y": "5"},
    "a position that is null": {"x": None},
    "a position that is huge": {"x": 1e308},
    "a score that is not a number": {"score": float("nan")},
    "a score that is a text": {"score": "high"},
    "a score above 1": {"score": 2.0},
    "a name that is a number": {"name": 5},
    "a box of texts": {"box": ["a"] * 4},
    "a box of nothing": {"box": [None] * 4},
    "a box that is infinite": {"box": [0.0, 0.0, float("inf"), 1.0]},
    "a box of negative size": {"box": [50.0, 20.0, 30.0, 40.0]},
    "a box of three numbers": {"box": [1.0, 2.0, 3.0]},
    "a face below 0": {"face": -1},
    "a face that is huge": {"face": 10**400},
    "a face that is true": {"face": True},
    "a doubt that is a number": {"sure": 0},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_part_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        part_of(part_record(PARTS[0]) | change)
    analyzed().save(tmp_path / "a.json")
    record = json.loads((tmp_path / "a.json").read_text("utf-8"))
    record["parts"][0] |= change
    (tmp_path / "a.json").write_text(json.dumps(record))
    with pytest.raises(AnalysisFileError, match=r"a\.json is damaged"):
        Analysis.open(tmp_path / "a.json")


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": float("nan")},
        {"threshold": "0.5"},
        {"threshold": 7.0},
        {"terms": [{"block": 1, "group": 0, "weight": 0.5}]},
        {"terms": [{"block": "first", "group": "0", "weight": 0.5}]},
        {"terms": [{"block": "first", "group": 0, "weight": float("inf")}]},
        {"source": ["groups"]},
    ],
)
def test_a_hostile_map_is_refused(change: dict[str, object]) -> None:
    part_map = analyzed().part_maps["nose"]
    with pytest.raises((TypeError, ValueError)):
        part_map_of("nose", part_map_header(part_map) | change, part_map.map)


def test_a_map_comes_back() -> None:
    part_map = analyzed().part_maps["nose"]
    back = part_map_of("nose", part_map_header(part_map), part_map.map)
    assert (back.threshold, back.terms, back.source) == (
        part_map.threshold,
        part_map.terms,
        part_map.source,
    )
    older = part_map_header(part_map)
    del older["source"]
    assert part_map_of("nose", older, part_map.map).source == "groups"
    with pytest.raises(ValueError, match="a map of nose"):
        part_map_of("nose", older, part_map.map[None])
