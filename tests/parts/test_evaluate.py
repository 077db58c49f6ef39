"""Figures of made-up finders whose right values are known."""

from __future__ import annotations

import numpy as np
import pytest

from sge.images.geometry import Box, Geometry
from sge.parts.evaluate import RESAMPLES, best_group, evaluate_parts, few_shot_hit_rate, rate, top_peak
from sge.parts.finder import GroupWeight, Readout
from sge.parts.fit import fit_readout, labelled_maps
from tests.parts.test_fit import GEOMETRY, SIZE, STRIDES, absent, shown, similarity


def test_an_interval_contains_its_value():
    some = rate(np.array([True] * 30 + [False] * 10))
    assert some.low < 0.75 == some.value < some.high
    assert rate(np.ones(5, bool)).low == 1
    single = rate(np.array([True]))
    assert (single.value, single.low, single.high) == (1, 1, 1)


def test_the_interval_is_the_percentile_interval_of_the_seed():
    hits = np.random.RandomState(3).random_sample(60) < 0.7
    draws = np.random.RandomState(5).randint(0, 60, (RESAMPLES, 60))
    low, high = np.quantile(hits[draws].mean(1), (0.025, 0.975))
    found = rate(hits, 5)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.slow
def test_figures_of_a_perfect_finder():
    images = [*map(shown, range(10)), *map(absent, range(50, 60))]
    rows = evaluate_parts(images, [False] * 20)
    assert [(row.part, row.images, row.shown, row.absent) for row in rows] == [
        ("nose", "all", 10, 10),
        ("nose", "sure", 10, 10),
    ]
    assert rows[0].auc > 0.9
    assert rows[0].missed + rows[0].false_alarms < 0.5
    assert rows[0].groups >= 1


def test_each_fold_is_fitted_without_its_images():
    images = [*map(shown, range(10))]
    seen = []

    def fit(given, part):
        seen.append({id(image) for image in given})
        return Readout((GroupWeight("middle", 3, 1.0),), 1.0, 0.0, 0.5)

    evaluate_parts(images, [False] * 10, fit=fit)
    assert [len(given) for given in seen] == [8] * 5
    assert all(sum(id(image) not in given for given in seen) == 1 for image in images)


def test_without_absent_images_there_is_no_auc():
    rows = evaluate_parts([*map(shown, range(10))], [False] * 10)
    assert rows[0].auc is None
    assert rows[0].false_alarms is None


def test_a_part_that_one_fold_alone_shows_has_no_figures():
    eye = labelled_maps(similarity(3), STRIDES, GEOMETRY, {"nose": [], "eye": [(40.0, 40.0)]})
    assert [row.part for row in evaluate_parts([*map(shown, range(10)), eye], [False] * 11)] == [
        "nose",
        "nose",
    ]
    for images in (
        [shown(0)],
        [shown(0), absent(50)],
        [absent(50), absent(51)],
        [eye, *map(absent, range(9))],
    ):
        for fit in (fit_readout, best_group):
            assert evaluate_parts(images, [False] * len(images), fit=fit) == []


def test_images_that_the_labeller_doubted_have_no_row_of_sure_ones():
    rows = evaluate_parts([*map(shown, range(5)), absent(50)], [True] * 5 + [False])
    assert [(row.part, row.images, row.shown) for row in rows] == [("nose", "all", 5)]


def test_the_baseline_measures_in_the_image_and_not_in_its_padding():
    """The group that is right where the maps cover padding too is chosen, and not the one that seems right without it."""
    padded = Geometry((64, 96), SIZE, Box(0.0, 0.0, 128.0, 96.0), "whole")
    bumps = [("middle", 3, 24, 40), ("middle", 1, 56, 40)]
    images = [
        labelled_maps(similarity(seed, bumps), STRIDES, padded, {"nose": [(24.0, 40.0)]}) for seed in range(6)
    ]
    assert best_group(images, "nose").terms[0].group == 3


def test_the_baseline_is_the_group_that_responds():
    (term,) = best_group([*map(shown, range(10))], "nose").terms
    assert (term.block, term.group, term.weight) == ("middle", 3, 1.0)


def test_few_shots_leave_out_parts_with_too_few_images():
    images = [*map(shown, range(4))]
    assert few_shot_hit_rate(images, 4) == {}
    assert 0 <= few_shot_hit_rate(images, 3, draws=2)["nose"]["0.1"] <= 1


def test_the_distance_of_the_highest_peak():
    readout = Readout((GroupWeight("middle", 3, 1.0),), 1.0, 0.0, 0.5)
    top = top_peak(shown(1), "nose", readout)
    assert top.distance < 17 / 96
    assert top.passes
    assert np.isnan(top_peak(absent(1), "nose", readout).distance)
