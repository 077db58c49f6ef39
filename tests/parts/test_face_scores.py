"""Scores of found parts, by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from sge.images import Box
from sge.parts.face_evaluation import evaluate_faces
from sge.parts.face_scores import (
    area_under_curve,
    calibration_error,
    candidates,
    curve_interval,
    false_alarms,
    main_hits,
    reliability,
    scored,
    share_interval,
)
from sge.parts.finder import Part
from sge.parts.labelled_faces import Face, FacesImage

SIZE = (200, 100)


def part(x, y, score, name="nose"):
    return Part(name, x, y, score, Box(x, y, x, y))


def image(*faces, **more):
    return FacesImage("a.png", faces, **more)


def dog(x, size=30.0, **more):
    return Face({"nose": (x, 50.0)}, size, **more)


def test_the_highest_part_against_the_main_face_and_against_any():
    one = scored(image(dog(50.0, 40.0), dog(150.0)), SIZE, [part(148, 50, 0.9), part(52, 50, 0.8)])
    (hits,) = main_hits([one], "nose", "dogs")
    assert hits.main == pytest.approx(0.98)
    assert hits.any == pytest.approx(0.02)
    assert hits.score == 0.9
    assert main_hits([one], "eye", "dogs") == main_hits([one], "nose", "birds") == []


def test_parts_at_unsure_faces_do_not_count():
    faces = image(dog(50.0), dog(150.0, 20.0, unsure=True))
    one = scored(faces, SIZE, [part(160, 50, 0.9), part(50, 50, 0.2)])
    assert [found.score for found in one.found["nose"]] == [0.2]


def test_nothing_found_is_a_miss():
    (hits,) = main_hits([scored(image(dog(50.0)), SIZE, [])], "nose", "dogs")
    assert (hits.main, hits.any, hits.score) == (np.inf, np.inf, 0.0)


def test_a_point_is_found_once_and_the_nearest_one():
    found = [part(53, 50, 0.9), part(51, 50, 0.8), part(120, 50, 0.7), part(59, 50, 0.6)]
    one = scored(image(dog(50.0), dog(60.0)), SIZE, found)
    every = candidates([one], "nose")
    assert every.points == 2
    assert every.right.tolist() == [True, False, False, True]


def test_images_with_unlabelled_faces_are_no_precision():
    assert (
        candidates([scored(image(dog(50.0), unlabelled=True), SIZE, [part(1, 1, 0.9)])], "nose").points == 0
    )


def test_reliability_and_its_error():
    score, right = np.array([0.05, 0.15, 0.15, 1.0]), np.array([False, True, False, True])
    rows = reliability(score, right)
    assert [(row.stated, row.right, row.count) for row in rows] == [(0.05, 0, 1), (0.15, 0.5, 2), (1, 1, 1)]
    assert calibration_error(rows) == pytest.approx((0.05 + 2 * 0.35) / 4)
    assert calibration_error([]) is None


def test_the_area_is_the_share_of_pairs_and_its_interval_covers_it():
    rs = np.random.RandomState(0)
    above, below = (rs.standard_normal(40) + 1).tolist(), rs.standard_normal(60).tolist()
    area = area_under_curve(above, below)
    assert area == pytest.approx(np.mean(np.array(above)[:, None] > np.array(below)))
    low, high = curve_interval(above, below)
    assert low < area < high
    # The standard error of Hanley and McNeil (1982).
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + 39 * (q1 - area**2) + 59 * (q2 - area**2)) / (40 * 60)
    assert high - low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.15)
    assert area_under_curve([], below) is None


def test_an_animal_that_is_turned_away_is_no_false_alarm():
    images = [FacesImage("a.png"), FacesImage("b.png", kind="dog"), FacesImage("c.png", unlabelled=True)]
    assert false_alarms([scored(one, SIZE, [part(9, 9, 0.7)]) for one in images], "nose").tolist() == [0.7]


def test_the_interval_of_no_alarm_is_not_empty():
    low, high = share_interval(0, 135)
    assert low == pytest.approx(0, abs=1e-9)
    assert high == pytest.approx(0.0277, abs=1e-3)


def test_all_figures():
    shown = [scored(image(dog(50.0 + n)), SIZE, [part(50 + n, 50, 0.6 + n / 20)]) for n in range(4)]
    empty = [scored(image(), SIZE, [part(9, 9, 0.1 * n, "left_eye")]) for n in range(4)]
    record = evaluate_faces([*shown, *empty], 0.2, 0.5)
    (row,) = record["hits"]
    assert (row["part"], row["kind"], row["images"]) == ("nose", "dogs", 4)
    assert row["main_0.05"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert row["auc"]["value"] == 1
    assert (row["shown_right"], row["shown_missed"], row["sure_wrong"]) == (1, 0, 0)
    by_part = {one["part"]: one for one in record["false_alarms"]}
    assert by_part["nose"]["shown"]["value"] == 0
    assert by_part["eye"]["shown"]["of"] == by_part["any"]["shown"]["of"] == 2
    assert by_part["any"]["sure"]["value"] == 0
    assert record["faces"] == [
        {
            "part": "nose",
            "points": 4,
            "shown_recall": 1.0,
            "shown_precision": 1.0,
            "sure_recall": 1.0,
            "sure_precision": 1.0,
        }
    ]
    assert record["images"] == {"with_faces": 4, "without": 4}
