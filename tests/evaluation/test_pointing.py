"""The pointing game: boxes that cannot be used, then cells whose position is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sge.errors import DataError
from sge.evaluation.pointing import chance, pointing_hit, read_boxes, visible_box
from sge.images.geometry import Box, Geometry

WINDOW = Box(0, 0, 40, 20)


def peak_at(row: int, col: int) -> np.ndarray:
    values = np.zeros((2, 4), np.float32)
    values[row, col] = 1
    return values


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "{",
        '"box"',
        *(
            json.dumps({"a.jpg": box})
            for box in (
                None,
                [1, 2, 3],
                [1, 2, 3, "4"],
                [1, 2, 3, True],
                [3, 0, 1, 4],
                [0, 4, 1, 4],
                [0, 0, 1, float("nan")],
                [0, 0, float("inf"), 1],
                {"left": 0},
            )
        ),
    ],
)
def test_boxes_that_cannot_be_read(tmp_path, text):
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"\[left, top, right, bottom\]"):
        read_boxes(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_boxes(tmp_path / "gone.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_boxes(tmp_path)


def test_boxes_are_read(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text('{"a/b.jpg": [1, 2.5, 3, 4]}')
    assert read_boxes(path) == {"a/b.jpg": Box(1, 2.5, 3, 4)}


@pytest.mark.parametrize("box", [(100, 0, 110, 10), (0, 50, 10, 60), (-9, 0, 0, 10), (0, -9, 10, 0)])
def test_a_box_outside_the_image_is_an_error_of_the_file(box):
    geometry = Geometry((100, 50), (64, 64), Box(25, 0, 75, 50), "center")
    with pytest.raises(DataError, match=r"a\.jpg.*outside the image of 100 x 50"):
        visible_box("a.jpg", Box(*box), geometry)


def test_a_box_outside_the_crop_is_not_seen_and_one_at_its_edge_is_cut():
    geometry = Geometry((100, 50), (64, 64), Box(25, 0, 75, 50), "center")
    assert visible_box("a.jpg", Box(0, 0, 25, 50), geometry) is None
    assert visible_box("a.jpg", Box(20, -5, 30, 10), geometry) == Box(25, 0, 30, 10)


@pytest.mark.parametrize(("row", "col"), [(row, col) for row in range(2) for col in range(4)])
def test_the_center_of_the_largest_cell_counts(row, col):
    cell = Box(10 * col, 10 * row, 10 * col + 10, 10 * row + 10)
    assert pointing_hit(peak_at(row, col), cell, WINDOW) == 1
    beside = Box(*(side + 6 for side in cell))
    assert pointing_hit(peak_at(row, col), beside, WINDOW) == 0


def test_the_window_of_a_crop_is_where_the_cells_are():
    window = Box(100, 50, 140, 70)
    assert pointing_hit(peak_at(1, 2), Box(124, 64, 126, 66), window) == 1
    assert pointing_hit(peak_at(1, 2), Box(24, 14, 26, 16), window) == 0


def test_equally_large_cells_share_the_hit():
    values = peak_at(0, 0)
    values[1, 3] = 1 - 1e-7
    assert pointing_hit(values, Box(0, 0, 10, 10), WINDOW) == 0.5
    assert pointing_hit(np.full((2, 4), 0.7, np.float32), Box(0, 0, 10, 10), WINDOW) == pytest.approx(1 / 8)


def test_random_maps_hit_as_often_as_the_box_is_large():
    rng, box = np.random.default_rng(0), Box(0, 0, 20, 20)
    hits = [pointing_hit(rng.standard_normal((2, 4)), box, WINDOW) for _ in range(600)]
    assert np.mean(hits) == pytest.approx(chance(box, WINDOW), abs=0.08)
    assert chance(box, WINDOW) == 0.5
