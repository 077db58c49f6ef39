from __future__ import annotations

import random

import pytest

from app.cost import ASSUMED, Costs


def test_what_was_never_measured_costs_what_is_assumed() -> None:
    costs = Costs()
    base, slope = ASSUMED["prepare"]
    assert costs.expected("prepare", 12, "JPEG") == pytest.approx(base + 12 * slope)
    assert costs.expected("something new", 2) > 0


def test_the_expectation_follows_the_median_and_a_few_absurd_images_do_not_move_it() -> None:
    costs, draw = Costs(), random.Random(0)
    for _ in range(400):
        absurd = draw.random() < 0.2
        costs.learn("prepare", 10.0 if absurd else draw.uniform(0.09, 0.11), 1, "PNG")
    assert 0.06 < costs.expected("prepare", 1, "PNG") < 0.2


def test_sizes_and_formats_are_learned_apart_and_a_new_size_follows_the_others() -> None:
    costs = Costs()
    for _ in range(100):
        costs.learn("prepare", 0.001, 0.1, "JPEG")
    assumed = Costs()
    assert costs.expected("prepare", 0.1, "JPEG") == pytest.approx(0.001, rel=0.15)
    assert costs.expected("prepare", 48, "JPEG") < assumed.expected("prepare", 48, "JPEG")
    assert costs.expected("prepare", 0.1, "PNG") == assumed.expected("prepare", 0.1, "PNG")


@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_what_is_learned_stays_within_bounds(seconds: float) -> None:
    costs = Costs()
    before = costs.expected("overlay", 1)
    for _ in range(500):
        costs.learn("overlay", seconds, 1)
    assert before / 51 < costs.expected("overlay", 1) < before * 51


@pytest.mark.parametrize("size", [0.0, 1e-9, 1e6])
def test_every_size_has_a_cost(size: float) -> None:
    costs = Costs()
    costs.learn("image", 1.0, size)
    assert costs.expected("image", size) > 0
