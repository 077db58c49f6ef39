"""Interleaved timing: every contender once a round, so that a noisy minute hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Timing:
    """One contender's times."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    def ratio_to(self, other: Timing) -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile of the ratios round by round."""
        ratios = [mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return low, middle, high


def interleaved(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Times every contender once a round, after one round of warm-up.

    Args:
        contenders: Name to work.
        rounds: At least 2.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for counted in range(-1, rounds):
        for name, work in contenders.items():
            _wait()
            started = time.perf_counter()
            work()
            _wait()
            if counted >= 0:
                times[name].append(time.perf_counter() - started)
    return {name: Timing(tuple(each)) for name, each in times.items()}


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
