"""How candidates support each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.parts import Calibration, Candidate, Pair, confidences, offsets, pair_features
from sge.parts.pairs import LEAST, MAX_LOGIT, TOO_NEAR, calibrated, log_densities, squared_distances
from tests.parts.made_detectors import CALIBRATION, PAIRS, made_detector

DETECTOR = made_detector()
some = settings(max_examples=30, deadline=None)
CELL = (20.0, 25.0)
NOSE = Candidate(200.0, 200.0, 4.0, CELL)


def eye(cells_x, cells_y, logit=3.0):
    return Candidate(200.0 + cells_x * 20, 200.0 + cells_y * 25, logit, CELL)


def plain_value(pair, dx, dy, logit):
    """Logit plus the logarithm of a Gaussian without its constant, in plain numbers."""
    (a, b), (_, d) = pair.covariance
    x, y, determinant = dx - pair.mean[0], dy - pair.mean[1], a * d - b * b
    squared = (d * x * x - 2 * b * x * y + a * y * y) / determinant
    return max(min(logit, MAX_LOGIT) - 0.5 * squared - 0.5 * math.log(determinant), LEAST)


@some
@given(st.floats(-6, 6), st.floats(-6, 6), st.floats(-8, 12))
def test_a_nose_counts_its_best_eyes(dx, dy, logit):
    found = {"nose": [NOSE], "eye": [eye(dx, dy, logit)]}
    first, second = pair_features(DETECTOR, found)["nose"][0]
    is_near = math.hypot(dx, dy) < TOO_NEAR
    expected = LEAST if is_near else plain_value(PAIRS["nose-eye"], dx, dy, logit)
    if abs(math.hypot(dx, dy) - TOO_NEAR) > 1e-6:
        assert first == pytest.approx(expected, abs=1e-6)
    assert second == LEAST


def test_the_second_pair_of_a_nose_is_another_eye():
    eyes = [eye(-1.5, -2.7), eye(1.5, -2.7, 2.0), eye(5, 5, -3.0)]
    first, second = pair_features(DETECTOR, {"nose": [NOSE], "eye": eyes})["nose"][0]
    assert first == pytest.approx(plain_value(PAIRS["nose-eye"], -1.5, -2.7, 3.0))
    assert second == pytest.approx(plain_value(PAIRS["nose-eye"], 1.5, -2.7, 2.0))


def test_an_eye_counts_its_nose_and_its_other_eye():
    eyes = [eye(-1.5, -2.7), eye(1.5, -2.7, 2.0)]
    features = pair_features(DETECTOR, {"nose": [NOSE], "eye": eyes})["eye"]
    for row, (other, side) in enumerate(((2.0, 1.5), (3.0, -1.5))):
        assert features[row, 0] == pytest.approx(plain_value(PAIRS["eye-nose"], side, 2.7, 4.0))
        assert features[row, 1] == pytest.approx(plain_value(PAIRS["eye-eye"], 3.0, 0.0, other))


def test_offsets_of_eyes_point_to_the_right():
    left, right = eye(-2, 1), eye(2, -1)
    np.testing.assert_allclose(offsets(left, [right], "eye-eye"), [[4, -2]])
    np.testing.assert_allclose(offsets(right, [left], "eye-eye"), [[4, -2]])
    np.testing.assert_allclose(offsets(right, [left], "nose-eye"), [[-4, 2]])


@some
@given(st.integers(0, 1000))
def test_the_density_is_that_of_scipy(seed):
    from scipy.stats import multivariate_normal

    rs = np.random.RandomState(seed)
    root = rs.standard_normal((2, 2))
    covariance = root @ root.T + 0.2 * np.eye(2)
    covariance = (covariance + covariance.T) / 2
    pair = Pair(tuple(rs.standard_normal(2)), tuple(map(tuple, covariance)))
    points = rs.standard_normal((5, 2))
    expected = multivariate_normal(pair.mean, covariance).logpdf(points) + math.log(2 * math.pi)
    np.testing.assert_allclose(log_densities(pair, points), expected, atol=1e-8)
    assert (squared_distances(pair, points) >= 0).all()


def test_the_confidence_is_the_logistic_of_the_calibration():
    calibration = Calibration((1.5, 0.5, -0.25), -1.0)
    found = calibrated(calibration, [2.0, -3.0], np.array([[1.0, 2.0], [-14.0, -14.0]]))
    for value, sum_ in zip(found, (-1 + 3 + 0.5 - 0.5, -1 - 4.5 - 7 + 3.5), strict=True):
        assert value == pytest.approx(1 / (1 + math.exp(-sum_)))


def test_a_partner_raises_the_confidence():
    alone = confidences(DETECTOR, {"nose": [NOSE], "eye": []})["nose"][0]
    assert confidences(DETECTOR, {"nose": [NOSE], "eye": [eye(-1.5, -2.7)]})["nose"][0] > alone
    assert CALIBRATION.weights[1] > 0


def test_without_pairs_the_logit_alone_counts():
    from dataclasses import replace

    detector = replace(DETECTOR, pairs={})
    found = {"nose": [NOSE], "eye": [eye(-1.5, -2.7)]}
    assert (pair_features(detector, found)["nose"] == LEAST).all()
    assert (pair_features(detector, found)["eye"] == LEAST).all()
    assert pair_features(detector, {"nose": [], "eye": []})["nose"].shape == (0, 2)
