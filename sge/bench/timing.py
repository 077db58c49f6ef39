"""Interleaved timing: each round times every contender once, so that a noisy period affects all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Timing:
    """The times of one contender."""

    seconds: tuple[float, ...]
    """One time for each round."""

    @property
    def median(self) -> float:
        """Median time in seconds."""
        return statistics.median(self.seconds)

    def ratio_to(self, other: Timing) -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile of the ratios of the two times in each round."""
        ratios = [mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return low, middle, high


def interleaved(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Times every contender once in each round, after one warmup round.

    Args:
        contenders: Name to the function that is timed.
        rounds: Number of rounds, at least 2.

    Returns:
        Name to times.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(-1, rounds):  # round -1 is the warmup
        for name, run in contenders.items():
            _synchronize()
            started = time.perf_counter()
            run()
            _synchronize()
            if number >= 0:
                times[name].append(time.perf_counter() - started)
    return {name: Timing(tuple(seconds)) for name, seconds in times.items()}


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
