"""Peaks of maps, and their distances from labelled points."""

from __future__ import annotations

import math

import numpy as np

from scripts.common import part_distances, peak

LABEL = {
    "file": "a.jpg",
    "width": 160,
    "height": 80,
    "nose": [40, 20],
    "left_eye": [100, 20],
    "right_eye": None,
    "unsure": False,
}


def test_a_part_that_is_not_shown_has_no_distance():
    found = part_distances(np.array([[0.0, 0.0]]), LABEL | {"nose": None})
    assert math.isnan(found["nose"][0])


def test_distances_are_fractions_of_the_shorter_side():
    found = part_distances(np.array([[40.0, 20.0], [100.0, 60.0]]), LABEL)
    np.testing.assert_allclose(found["nose"], [0, math.hypot(60, 40) / 80])
    np.testing.assert_allclose(found["eye"], [60 / 80, 40 / 80])
    both = part_distances(np.array([[40.0, 20.0]]), LABEL | {"right_eye": [40, 28]})
    np.testing.assert_allclose(both["eye"], [8 / 80])


def test_a_peak_is_in_pixels_of_the_photo():
    values = np.zeros((4, 8), np.float32)
    values[1, 6] = 1
    x, y = peak(values, LABEL)
    assert abs(x - 6.5 * 20) <= 3
    assert abs(y - 1.5 * 20) <= 3
