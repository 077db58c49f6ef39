"""Timing by interleaved rounds."""

from __future__ import annotations

from sge.bench.timing import Timing, interleaved


def test_ratios_are_taken_round_by_round():
    noisy = Timing((1.0, 10.0, 1.0, 10.0, 1.0))
    twice = Timing((2.0, 20.0, 2.0, 20.0, 2.0))
    assert twice.ratio_to(noisy) == (2.0, 2.0, 2.0)
    assert noisy.median == 1.0


def test_contenders_take_turns_after_a_warmup():
    calls: list[str] = []
    timings = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)
    assert calls == ["a", "b"] * 4
    assert all(len(timing.seconds) == 3 for timing in timings.values())
