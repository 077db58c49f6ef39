"""Admission: a request is taken when its answer can be given in time, and is otherwise told when to come again."""

from __future__ import annotations

import itertools
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sge.images import ImageFacts

from .cost import Costs
from .errors import ProblemError
from .promises import Promises
from .uploads import Upload

LARGE_S = 0.4
"""A task that is expected to take longer is large: it waits in a line of its own."""
SHARE_OF_TIME = 0.8
"""Of the time that a request has left, what the expected answer may take: expectations are medians."""
FREE_WAIT_S = 0.25
"""Seconds of waiting below which nobody is refused."""
SMALL_BYTES = 1024 * 1024
"""Uploads above it may not fill all of the memory for uploads."""
DRAWN = ("image", "overlay", "sheet", "report")
"""Kinds whose answers are drawn in a worker process."""

Line = tuple[str, bool]
"""What work waits for: ``worker`` or ``model``, and whether it waits among the large tasks."""


@dataclass(eq=False)
class Admission:
    """An upload that is complete and admitted, until its request is answered."""

    upload: Upload
    kind: str
    """What is asked, in one word that costs are learned by: ``predict``, ``analyze``, ``overlay``, ``ablate`` ..."""
    deadline: float
    """Until when the answer is worth anything, in seconds of ``time.monotonic``."""
    rows: int = 1
    """Rows of forward passes that the answer takes."""
    model: str = ""
    format: str = ""
    """Of the file; and its size, as the file's header says."""
    megapixels: float = 0.0
    order: int = 0
    """Admissions with smaller numbers are older."""
    work: dict[str, float] = field(default_factory=dict)
    """Seconds that are expected, by step: ``prepare``, ``draw``, ``model``."""
    facts: ImageFacts | None = None
    """The image's width, height, format, hash, name and notes; None until it is decoded."""
    preview: Any = None
    """The decoded image as a file (``tasks.Encoded``), if it was asked for together with the answer."""

    def large(self, step: str) -> bool:
        """Whether a step waits among the large tasks."""
        return self.work.get(step, 0.0) > LARGE_S

    def lines(self) -> Iterator[tuple[Line, float]]:
        """What the request waits for, with the seconds that it will take there."""
        for step, seconds in self.work.items():
            yield ("model" if step == "model" else "worker", self.large(step)), seconds


class Admissions:
    """Who is admitted, and how much work that is.

    Args:
        costs: Expected seconds.
        workers: Number of worker processes.
        passes: Number of forward passes at once.
        max_bytes: Of all admitted uploads; uploads above ``SMALL_BYTES`` may fill three quarters of it.
    """

    def __init__(self, costs: Costs, workers: int, passes: int, max_bytes: int) -> None:
        self.costs = costs
        self.max_bytes = max_bytes
        self._bytes = {False: 0, True: 0}
        self.count = 0
        """Number of requests admitted and not yet answered."""
        self._at_once: dict[Line, int] = {
            ("worker", False): workers,
            ("worker", True): max(1, workers - 1),
            ("model", False): passes,
            ("model", True): passes,
        }
        self._ahead: defaultdict[Line, float] = defaultdict(float)
        """Seconds of admitted work that is not yet done."""
        self._promises = Promises()
        self._delay = 1.0
        """How much longer answers took than was expected, as a factor."""
        self._orders = itertools.count(1)

    @contextmanager
    def admit(self, wanted: Admission) -> Iterator[Admission]:
        """Admits a request until its answer is ready.

        Args:
            wanted: What is asked; order and expected work are filled in here.

        Raises:
            ProblemError: 503 with the seconds after which the same request will be taken.
        """
        started = time.monotonic()
        self._expect(wanted)
        promise = self._promises.take(wanted.upload.data, wanted.kind)
        wanted.order = promise.order if promise else next(self._orders)
        self._check_bytes(len(wanted.upload.data))
        expected = self._check(wanted, started)
        size = len(wanted.upload.data)
        self.count += 1
        self._bytes[size > SMALL_BYTES] += size
        for line, seconds in wanted.lines():
            self._ahead[line] += seconds
        completed = False
        try:
            yield wanted
            completed = True
        finally:
            self.count -= 1
            self._bytes[size > SMALL_BYTES] -= size
            for step in tuple(wanted.work):
                self.done(wanted, step)
            if completed:
                self._learn_delay(expected, time.monotonic() - started)

    def done(self, admission: Admission, step: str) -> None:
        """A step of an admitted request needs no more work."""
        line: Line = ("model" if step == "model" else "worker", admission.large(step))
        self._ahead[line] = max(0.0, self._ahead[line] - admission.work.pop(step, 0.0))

    def _expect(self, wanted: Admission) -> None:
        if wanted.kind != "image":
            wanted.work["prepare"] = self.costs.expected("prepare", wanted.megapixels, wanted.format)
            wanted.work["model"] = self.costs.expected(f"model {wanted.kind}", wanted.rows, wanted.model)
        if wanted.kind in DRAWN:
            wanted.work["draw"] = self.costs.expected(wanted.kind, wanted.megapixels, wanted.format)

    def _check_bytes(self, size: int) -> None:
        large = size > SMALL_BYTES
        held = self._bytes[True] + (0 if large else self._bytes[False])
        if held + size > self.max_bytes * (0.75 if large else 1):
            raise ProblemError(
                503,
                f"{self.count} images are waiting, as many as are held at once. Try again in 2 s.",
                "bytes",
                2,
            )

    def _check(self, wanted: Admission, now: float) -> float:
        """Seconds until the answer, without what the delay says; refuses what would come too late."""
        waits = max(
            (self._ahead[line] + self._promises.before(line, wanted.order)) / self._at_once[line]
            for line, _ in wanted.lines()
        )
        expected = waits + sum(wanted.work.values())
        late = expected * self._delay - SHARE_OF_TIME * (wanted.deadline - now)
        if late <= 0 or waits * self._delay < FREE_WAIT_S:
            return expected
        # What runs now counts as not done until it ends, so one such piece of work is added.
        retry = max(1, math.ceil(late + max(wanted.work.values())))
        self._promises.make(wanted.upload.data, wanted.kind, wanted.order, now + retry, dict(wanted.lines()))
        raise ProblemError(
            503,
            f"{self.count} images are waiting, and the answer would come too late. Try again in {retry} s.",
            "queue",
            retry,
        )

    def _learn_delay(self, expected: float, seconds: float) -> None:
        """Moves the delay where an answer was far from what was expected."""
        ratio = seconds / (expected * self._delay)
        if seconds > FREE_WAIT_S and not 0.8 < ratio < 1.25:
            self._delay = min(max(self._delay * (1.05 if ratio > 1 else 1 / 1.05), 0.8), 4.0)
