"""Ranges of settings: each number of a training is checked before the images are decoded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sge.errors import ChoiceError


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``; never infinity and never NaN."""

    low: float = 0.0
    high: float = math.inf
    without_low: bool = False
    without_high: bool = False

    def __contains__(self, value: float) -> bool:
        if not math.isfinite(value) or not self.low <= value <= self.high:
            return False
        is_end = (self.without_low and value == self.low) or (self.without_high and value == self.high)
        return not is_end

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.without_low else f"of at least {self.low:g}"
        if self.high == math.inf:
            return low
        return f"{low} and {'below' if self.without_high else 'at most'} {self.high:g}"


FRACTION = Range(0.0, 1.0)
DECAY = Range(0.0, 1.0, without_high=True)
"""Of an average over steps, which 1 would never change."""
NOT_NEGATIVE = Range()
POSITIVE = Range(without_low=True)
SEED = Range(0, 2**63 - 1)
"""Seeds that torch takes."""


def check_ranges(settings: object, ranges: Mapping[str, Range]) -> None:
    """Checks numbers of a configuration.

    Args:
        settings: Has an attribute of each name.
        ranges: By name.

    Raises:
        ChoiceError: A number is out of its range.
    """
    for name, allowed in ranges.items():
        value = getattr(settings, name)
        if value not in allowed:
            raise ChoiceError(f"{name} is {value}; choose a number {allowed}.")
