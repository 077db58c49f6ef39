"""What requests cost: seconds by task and size, assumed at first and then learned from what is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

STEPS = (8.0, 4.0, 2.0, 1.5, 1.25, 1.1)
"""Factors by which the first, the second ... measurement may move what is expected; the last one holds for all later."""
HALF_S = 2.0
"""Seconds of tasks after which half of what was known about the slowness of the machine is forgotten."""
MAX_FACTOR = 50.0
"""Limit of what is learned, up and down, against what was assumed."""

ASSUMED: dict[str, tuple[float, float]] = {
    "prepare": (0.004, 0.012),
    "image": (0.02, 0.07),
    "overlay": (0.05, 0.1),
    "sheet": (0.1, 0.0),
    "report": (0.15, 0.03),
    "model predict": (0.0, 0.03),
    "model analyze": (0.0, 0.1),
    "model masks": (0.0, 0.05),
    "model overlay": (0.0, 0.05),
    "model sheet": (0.0, 0.05),
    "model report": (0.0, 0.1),
    "model ablate": (0.05, 0.05),
    "model attribute": (0.0, 0.8),
    "model effects": (0.7, 0.1),
    "model steps": (0.0, 0.15),
}
"""Task to seconds of one run, and of one unit of size more: megapixels, or rows of a forward pass for ``model`` tasks.

These are seconds of computing, measured with photos, and something more. Whoever has to wait for cores needs longer.
"""
OTHER = (0.0, 0.1)
"""The same for other tasks."""


@dataclass
class Learned:
    """A factor on what is assumed."""

    value: float = 1.0
    measurements: int = 0

    def move(self, ratio: float) -> None:
        """Moves towards a measured ratio, by a step at most."""
        step = STEPS[min(self.measurements, len(STEPS) - 1)]
        moved = min(max(ratio, self.value / step), self.value * step)
        self.value = min(max(moved, 1 / MAX_FACTOR), MAX_FACTOR)
        self.measurements += 1


@dataclass
class Slowness:
    """How much longer tasks take than they compute, because they have no core to themselves."""

    seconds: float = 0.5
    cpu_s: float = 0.5
    """Sums over the last tasks; at first a task with a core of its own, so that a few short ones say little."""

    def move(self, seconds: float, cpu_s: float) -> None:
        """A task has taken so many seconds, and computed in so many of them."""
        kept = 0.5 ** (seconds / HALF_S)
        self.seconds = kept * self.seconds + seconds
        self.cpu_s = kept * self.cpu_s + min(max(cpu_s, seconds / MAX_FACTOR), seconds)

    @property
    def value(self) -> float:
        """As a factor."""
        return self.seconds / self.cpu_s


@dataclass
class Costs:
    """Expected seconds of tasks.

    What is learned of a task is how long it computes: a measurement moves the expectation up or down by a step at most, so
    that it follows the median, and a few images that are made to take very long do not make the service refuse others. The
    first steps are longer, because one measurement says more than what was assumed. How much longer than that tasks take is
    a property of the machine and of the moment, and is learned from all of them.
    """

    _learned: dict[tuple[str, str, int], Learned] = field(default_factory=dict)
    _slowness: dict[str, Slowness] = field(default_factory=dict)

    def expected(self, task: str, size: float = 1.0, key: str = "") -> float:
        """Seconds that a task will take.

        Args:
            task: A key of ``ASSUMED``, or another.
            size: Megapixels, or rows.
            key: What else the time depends on, such as the file's format or the model.
        """
        found = self._learned.get((task, key, _bucket(size))) or self._learned.get((task, key, _ANY))
        slowness = self._slowness.get(_place(task))
        return _assumed(task, size) * (found.value if found else 1.0) * (slowness.value if slowness else 1.0)

    def learn(
        self, task: str, seconds: float, size: float = 1.0, key: str = "", cpu_s: float | None = None
    ) -> None:
        """A task has taken so many seconds; arguments as for ``expected``.

        Args:
            task: See ``expected``; ``size`` and ``key`` likewise.
            seconds: From its beginning to its end, without any waiting before.
            size: See ``expected``.
            key: See ``expected``.
            cpu_s: Seconds of these in which it computed; None for all.
        """
        cpu_s = seconds if cpu_s is None else cpu_s
        for known in ((task, key, _bucket(size)), (task, key, _ANY)):
            self._learned.setdefault(known, Learned()).move(cpu_s / _assumed(task, size))
        self._slowness.setdefault(_place(task), Slowness()).move(seconds, cpu_s)


_ANY = 99


def _place(task: str) -> str:
    """Where a task runs: in the threads of models, or in a worker process."""
    return "models" if task.startswith("model ") else "workers"


def _assumed(task: str, size: float) -> float:
    base, slope = ASSUMED.get(task, OTHER)
    return base + slope * max(size, 1e-9)


def _bucket(size: float) -> int:
    """Sizes within a factor of two share what is learned."""
    return round(math.log2(max(size, 1 / 64)))
