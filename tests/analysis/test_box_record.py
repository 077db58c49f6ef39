"""Boxes in records and files: they come back, old records open without them, other data is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sge.analysis import Box
from sge.analysis.analysis import Analysis
from sge.analysis.atlas import cells_record
from sge.analysis.box_record import boxes_of, boxes_record
from sge.analysis.files import to_bytes
from sge.analysis.packing import pack_atlases, unpack_atlases
from sge.analysis.record import from_record, to_record
from sge.errors import AnalysisFileError
from tests.analyses import made

DOG = Box("dog", 0.875, 16, 10.5, 6.0, 40.25, 30.0)
CAT = Box("cat </script> Ünï 犬", 0.5, 15, 0.0, 0.0, 12.0, 59.5)


def detected(boxes: list[Box] | None = None) -> Analysis:
    """An analysis without classes, as of a detector."""
    return replace(made(), predictions=[], boxes=[DOG, CAT] if boxes is None else boxes)


WRONG: dict[str, Any] = {
    "no list": {"label": "dog"},
    "no objects": ["dog"],
    "no label": [boxes_record([DOG])[0] | {"label": None}],
    "a class that is no number": [boxes_record([DOG])[0] | {"index": "16"}],
    "a class that is true": [boxes_record([DOG])[0] | {"index": True}],
    "a score that is a text": [boxes_record([DOG])[0] | {"score": "1"}],
    "a side that is not finite": [boxes_record([DOG])[0] | {"x": float("nan")}],
    "a negative width": [boxes_record([DOG])[0] | {"width": -1.0}],
    "a field too many": [boxes_record([DOG])[0] | {"color": "red"}],
    "a field too few": [{key: value for key, value in boxes_record([DOG])[0].items() if key != "height"}],
}


@pytest.mark.parametrize("what", WRONG)
def test_other_data_is_refused(what: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        boxes_of(WRONG[what])
    with pytest.raises((TypeError, ValueError)):
        from_record(to_record(made()) | {"boxes": WRONG[what]})


def test_a_score_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    broken = detected([replace(DOG, score=float("inf"))])
    for ending in (".json", ".safetensors", ".npz", ".html"):
        with pytest.raises(AnalysisFileError, match="not finite"):
            broken.save(tmp_path / f"a{ending}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".json", ".safetensors", ".npz"])
def test_every_file_holds_the_boxes(ending: str, tmp_path: Path) -> None:
    detected().save(tmp_path / f"a{ending}")
    back = Analysis.open(tmp_path / f"a{ending}")
    assert back.boxes == [DOG, CAT]
    assert back.predictions == []


def test_a_binary_body_holds_them_and_an_old_record_opens_without() -> None:
    record = to_record(detected(), cells_record)
    assert from_record(unpack_atlases(pack_atlases(record))).boxes == [DOG, CAT]
    record.pop("boxes")
    assert from_record(record).boxes == []
    assert json.loads(to_bytes(made(), ".json"))["boxes"] == []


def test_the_report_is_named_after_the_best_box_or_the_image() -> None:
    text = to_bytes(detected(), ".html").decode()
    assert "<title>dog — SGE Lens report</title>" in text
    assert "cat </script>" not in text
    assert "<title>grey.png — SGE Lens report</title>" in to_bytes(detected([]), ".html").decode()
