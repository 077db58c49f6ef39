"""Shares are taken round by round, and each aim says what was measured."""

from __future__ import annotations

import json

import pytest

from sge.bench.service.ceiling import Ceiling
from sge.bench.service.load import Load
from sge.bench.service.result import Cell, Line, ServiceResult


def cell(*rounds: tuple[int, float]) -> Cell:
    """Rounds of one second: number of answers, and the ceiling's rate."""
    made = Cell()
    for answers, ceiling in rounds:
        load = Load(1.0, [0.02] * answers)
        made.add(load, Ceiling(ceiling, 0.01, 0.005), 0.01 * answers)
    return made


def line(name: str, ours: bool, closed: Cell) -> Line:
    return Line(name, "predict", "onnxruntime", ours, {1: closed, 16: closed})


def test_a_round_that_was_slow_for_all_changes_no_share():
    both = cell((90, 100.0), (9, 10.0), (45, 50.0))
    assert both.shares == pytest.approx([0.9, 0.9, 0.9])
    assert both.cpu_shares == pytest.approx([0.5, 0.5, 0.5])
    assert both.extra == pytest.approx([0.01, 0.01, 0.01])


def test_a_round_without_answers_counts_as_none():
    empty = cell((0, 100.0))
    assert empty.shares == [0.0]
    assert empty.to_dict()["p50_ms"] is None


def test_aims_are_met_or_missed_by_what_was_measured():
    result = ServiceResult(
        {}, [line("ours", True, cell((95, 100.0))), line("peer", False, cell((80, 100.0)))]
    )
    met = {goal.text: goal.met for goal in result.goals()}
    assert met["ours: 0.9 of the ceiling at 16 clients"]
    assert not met["ours: a lone request at most 5 ms over its ceiling"]
    assert met["throughput at 16 clients ahead of every peer"]
    assert not met["p95 at 16 clients ahead of every peer"]  # equal is not ahead
    assert json.loads(json.dumps(result.to_dict()))["lines"][0]["closed"]["16"]["rate"] == 95


def test_without_peers_nobody_is_ahead():
    result = ServiceResult({}, [line("ours", True, cell((95, 100.0)))])
    assert not [goal for goal in result.goals() if "peer" in goal.text]
