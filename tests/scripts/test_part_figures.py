"""The tables of detectors: every measured figure has a row, and the tables can be rendered."""

from __future__ import annotations

import json

import pytest
import typer

from scripts.models import part_figures
from scripts.render_tables import render
from sge.images import Box
from sge.parts import Face, FacesImage, Part, evaluate_faces, scored


@pytest.fixture
def measured():
    faces = (Face({"nose": (50.0, 50.0), "left_eye": (40.0, 30.0)}, 30.0),)
    box = Box(0, 0, 1, 1)
    shown = [
        scored(
            FacesImage(f"{n}.png", faces),
            (100, 100),
            [Part("nose", 50, 50 + n, 0.9, box), Part("left_eye", 40, 30, 0.4, box)],
        )
        for n in range(4)
    ]
    empty = [scored(FacesImage(f"{n}.png"), (100, 100), [Part("nose", 5, 5, 0.1 * n, box)]) for n in range(4)]
    record = evaluate_faces([*shown, *empty], 0.2, 0.5)
    return {by: {"model": "m", "by": by, "held": True} | record for by in ("readouts", "mix")}


def test_all_tables_are_rendered_in_the_order_of_the_ways_of_finding(measured):
    made = part_figures.tables("m", measured)
    assert set(made) == {"faces_hits", "faces_alarms", "faces_listed", "faces_calibration"}
    for table in made.values():
        text = render(table)
        assert all(column["key"] in row for row in table["rows"] for column in table["columns"])
        assert "--held" in text
    hits = [(row["by"], row["part"], row["kind"]) for row in made["faces_hits"]["rows"]]
    assert hits[:2] == [("groups and channels", "nose", "dogs"), ("groups and channels", "eye", "dogs")]
    assert len(hits) == 4
    assert [row["by"] for row in made["faces_calibration"]["rows"]] == ["groups and channels"] * 2


def test_figures_of_other_images_are_refused(measured, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(measured["mix"] | {"held": False}))
    with pytest.raises(typer.BadParameter, match="is not of m on the images that are held back"):
        part_figures.main("m", [tmp_path / "a.json"])
