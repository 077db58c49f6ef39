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


def test_how_busy_the_machine_is_is_learned_from_every_task_and_forgotten_when_it_is_over() -> None:
    costs = Costs()
    for _ in range(30):
        costs.learn("prepare", 0.3, 1, "JPEG", cpu_s=0.03)
    base, slope = ASSUMED["overlay"]
    assumed = base + slope * 12
    assert costs.expected("overlay", 12, "PNG") == pytest.approx(10 * assumed, rel=0.1)
    assert (
        costs.expected("model analyze", 1, "x") == ASSUMED["model analyze"][1]
    )  # the threads of models wait elsewhere
    for _ in range(300):
        costs.learn("prepare", 0.03, 1, "JPEG", cpu_s=0.03)
    assert costs.expected("overlay", 12, "PNG") < 1.5 * assumed


@pytest.mark.parametrize("cpu_s", [0.0, 1e-12, 5.0])
def test_absurd_seconds_of_computing_leave_expectations_within_bounds(cpu_s: float) -> None:
    costs = Costs()
    for _ in range(50):
        costs.learn("overlay", 1.0, 12, "JPEG", cpu_s=cpu_s)
    assert 0 < costs.expected("overlay", 12, "JPEG") < 200


def test_the_first_measurements_say_more_than_what_was_assumed() -> None:
    costs = Costs()
    for _ in range(4):
        costs.learn("overlay", 6.0, 12, "JPEG")
    assert costs.expected("overlay", 12, "JPEG") == pytest.approx(6.0)
