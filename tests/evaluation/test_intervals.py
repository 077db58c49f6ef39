"""Means and intervals: too few values first, then a comparison with the normal approximation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sge.evaluation import intervals
from sge.evaluation.intervals import Interval, mean_interval
from sge.parts import evaluate
from sge.parts.evaluate import rate


def test_nothing_and_one_image():
    assert mean_interval([]) is None
    assert mean_interval([None, None]) is None
    assert mean_interval([0.25]) == Interval(0.25, None, None, 1)
    assert mean_interval([None, 0.25]) == Interval(0.25, None, None, 1)


def test_equal_values_have_no_width():
    assert mean_interval([0.5] * 4) == Interval(0.5, 0.5, 0.5, 4)


def test_images_without_a_figure_are_left_out():
    assert mean_interval([1.0, None, 0.0, None]) == mean_interval([1.0, 0.0])


def test_a_seed_repeats_the_interval():
    values = np.random.default_rng(0).random(20).tolist()
    assert mean_interval(values, 3) == mean_interval(values, 3)
    assert mean_interval(values, 3) != mean_interval(values, 4)


@pytest.mark.parametrize("drawn", [1, 100, 4000])
def test_how_many_are_drawn_at_a_time_changes_nothing(monkeypatch, drawn):
    values = np.random.default_rng(1).random(40)
    expected, shares = mean_interval(values.tolist()), rate(values > 0.5)
    monkeypatch.setattr(intervals, "MAX_DRAWN", drawn)
    monkeypatch.setattr(evaluate, "MAX_DRAWN", drawn)
    assert mean_interval(values.tolist()) == expected
    assert rate(values > 0.5) == shares


def test_the_interval_is_that_of_the_normal_approximation():
    values = np.random.default_rng(0).normal(2, 3, 400)
    found = mean_interval(values.tolist())
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)
