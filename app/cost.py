"""What requests cost: seconds by task and size, assumed at first and then learned from what is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

STEP = 1.1
"""Factor by which one measurement moves what is expected."""
MAX_FACTOR = 50.0
"""Limit of what is learned, up and down, against what was assumed."""

ASSUMED: dict[str, tuple[float, float]] = {
    "prepare": (0.004, 0.03),
    "image": (0.02, 0.25),
    "overlay": (0.05, 0.35),
    "sheet": (0.15, 0.0),
    "report": (0.3, 0.15),
    "model predict": (0.0, 0.03),
    "model analyze": (0.0, 0.1),
    "model ablate": (0.05, 0.05),
    "model attribute": (0.0, 0.8),
    "model effects": (0.0, 0.8),
    "model steps": (0.0, 0.15),
}
"""Task to seconds of one run, and of one unit of size more: megapixels, or rows of a forward pass for ``model`` tasks."""
OTHER = (0.0, 0.1)
"""The same for other tasks."""


@dataclass
class Costs:
    """Expected seconds of tasks.

    A measurement moves the expectation by a fixed step up or down, so that it follows the median: a few images that are
    made to take very long do not make the service refuse others.
    """

    _factors: dict[tuple[str, str, int], float] = field(default_factory=dict)

    def expected(self, task: str, size: float = 1.0, key: str = "") -> float:
        """Seconds that a task will take.

        Args:
            task: A key of ``ASSUMED``, or another.
            size: Megapixels, or rows.
            key: What else the time depends on, such as the file's format or the model.
        """
        return _assumed(task, size) * self._factor(task, size, key)

    def learn(self, task: str, seconds: float, size: float = 1.0, key: str = "") -> None:
        """A task has taken so many seconds; arguments as for ``expected``."""
        factor = self._factor(task, size, key)
        factor *= STEP if seconds > _assumed(task, size) * factor else 1 / STEP
        factor = min(max(factor, 1 / MAX_FACTOR), MAX_FACTOR)
        self._factors[task, key, _bucket(size)] = self._factors[task, key, _ANY] = factor

    def _factor(self, task: str, size: float, key: str) -> float:
        """Of tasks of about this size, or else of the last one of any size."""
        any_size = self._factors.get((task, key, _ANY), 1.0)
        return self._factors.get((task, key, _bucket(size)), any_size)


_ANY = 99


def _assumed(task: str, size: float) -> float:
    base, slope = ASSUMED.get(task, OTHER)
    return base + slope * size


def _bucket(size: float) -> int:
    """Sizes within a factor of two share what is learned."""
    return round(math.log2(max(size, 1 / 64)))
