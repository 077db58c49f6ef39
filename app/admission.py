"""Admission: a request is taken when its answer can be given in time, and is otherwise told when to come again."""

from __future__ import annotations

import itertools
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
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
"""What work waits for: ``worker``, ``model`` or ``pass``, and whether it waits among the large tasks."""


@dataclass(eq=False)
class Admission:
    """An upload that is complete and admitted, until its request is answered."""

    upload: Upload
    kind: str
    """What is asked, in one word that costs are learned by: ``predict``, ``analyze``, ``overlay``, ``ablate`` ..."""
    deadline: float
    """Until when the answer is worth anything, in seconds of ``time.monotonic``."""
    rows: float = 1
    """Rows of forward passes that the answer takes; inputs of other sizes count by their pixels."""
    model: str = ""
    alone: bool = False
    """Whether passes of the model run one after the other, in a line that is called ``pass``, and not on a core each."""
    format: str = ""
    """Of the file; and its size, as the file's header says."""
    megapixels: float = 0.0
    order: int = 0
    """Admissions with smaller numbers are older."""
    work: dict[str, float] = field(default_factory=dict)
    """Seconds that are expected of the steps that are left: ``prepare``, ``draw``, ``model``."""
    places: dict[str, Line] = field(default_factory=dict)
    """The line in which each step waits."""
    since: float = 0.0
    """When it was admitted; all times are those of ``time.monotonic``."""
    idle_since: float = 0.0
    """When the last step was done."""
    waited: float = 0.0
    """Seconds between the steps that have begun."""
    began: float = 0.0
    """When the step that runs in a worker began; 0 while it waits."""
    job: Any = None
    """The ``scheduler.Job`` of the forward pass, while it waits or runs."""
    refuse: Callable[[ProblemError], None] | None = None
    """Ends the waiting of a request that could no longer be answered in time."""
    facts: ImageFacts | None = None
    """The image's width, height, format, hash, name and notes; None until it is decoded."""
    preview: Any = None
    """The decoded image as a file (``tasks.Encoded``), if it was asked for together with the answer."""

    def large(self, step: str) -> bool:
        """Whether a step waits among the large tasks."""
        return step in self.places and self.places[step][1]

    @property
    def waits(self) -> bool:
        """Whether no step runs."""
        return not (self.began or (self.job is not None and self.job.began))

    def ran(self, now: float) -> float:
        """Seconds that the step that runs has taken; of a pass that several share, its part."""
        if self.job is not None and self.job.began:
            return float(now - self.job.began) / int(self.job.shared_by)
        return now - self.began if self.began else 0.0

    def expect(self, step: str, seconds: float) -> None:
        """Adds a step."""
        place = "worker" if step != "model" else "pass" if self.alone else "model"
        self.work[step], self.places[step] = seconds, (place, seconds > LARGE_S)

    def lines(self) -> Iterator[tuple[Line, float]]:
        """What the request waits for, with the seconds that it will take there."""
        for step, seconds in self.work.items():
            yield self.places[step], seconds


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
            ("pass", False): 1,
            ("pass", True): 1,
        }
        self._ahead: defaultdict[Line, float] = defaultdict(float)
        """Seconds of admitted work that is not yet done."""
        self._promises = Promises()
        self._delay = 1.0
        """How much longer answers took than was expected, as a factor."""
        self._orders = itertools.count(1)
        self._admitted: set[Admission] = set()

    @contextmanager
    def admit(self, wanted: Admission) -> Iterator[Admission]:
        """Admits a request until its answer is ready.

        Args:
            wanted: What is asked; order and expected work are filled in here.

        Raises:
            ProblemError: 503 with the seconds after which the same request will be taken.
        """
        wanted.since = wanted.idle_since = started = time.monotonic()
        steps = ("draw",) if wanted.kind == "image" else ("prepare", "model", "draw")
        for step in steps[: len(steps) - (wanted.kind not in DRAWN)]:
            wanted.expect(step, self.costs.expected(*self._key(wanted, step)))
        promise = self._promises.take(wanted.upload.data, wanted.kind)
        wanted.order = promise.order if promise else next(self._orders)
        self._check_bytes(len(wanted.upload.data))
        expected, own = self._check(wanted, started), sum(wanted.work.values())
        size = len(wanted.upload.data)
        self.count += 1
        self._admitted.add(wanted)
        self._bytes[size > SMALL_BYTES] += size
        for line, seconds in wanted.lines():
            self._ahead[line] += seconds
        completed = False
        try:
            yield wanted
            completed = True
        finally:
            self.count -= 1
            self._admitted.discard(wanted)
            self._bytes[size > SMALL_BYTES] -= size
            for step in tuple(wanted.work):
                self.done(wanted, step)
            if completed:
                again = sum(self.costs.expected(*self._key(wanted, step)) for step in wanted.places)
                self._learn_delay(expected * again / own, time.monotonic() - started)

    def begin(self, admission: Admission) -> None:
        """A step of an admitted request gets what it has waited for.

        Raises:
            ProblemError: 503, the time that is left does not suffice any more.
        """
        now = time.monotonic()
        waited = admission.waited + now - admission.idle_since
        if waited > FREE_WAIT_S:
            self._expect_again(admission, now)
        own = sum(admission.work.values())
        late = now + own + max(FREE_WAIT_S, own / 10) > admission.deadline
        if late and waited > max(
            FREE_WAIT_S, own / 3
        ):  # whoever has hardly waited would have no more time the next time
            raise self._refusal(admission, own, now)
        admission.began, admission.waited = now, waited

    def done(self, admission: Admission, step: str) -> None:
        """A step of an admitted request needs no more work."""
        admission.began, admission.job, admission.idle_since = 0.0, None, time.monotonic()
        if step in admission.work:
            line = admission.places[step]
            self._ahead[line] = max(0.0, self._ahead[line] - admission.work.pop(step))

    def look(self) -> None:
        """Refuses those that wait and, as things are now, would wait until their time is over.

        What was expected when they were admitted may have turned out to take longer.
        """
        now = time.monotonic()
        ahead: defaultdict[Line, float] = defaultdict(float)
        waiting = []
        for admission in self._admitted:
            self._expect_again(admission, now)
            if admission.waits:
                waiting.append(admission)
                continue
            ran = admission.ran(now)
            for line, seconds in admission.lines():
                ahead[line] += max(0.0, seconds - ran)
                ran = 0.0  # the first one is what runs
        returning: defaultdict[Line, float] = defaultdict(float)  # work of those that will come again
        for admission in sorted(waiting, key=lambda one: one.order):
            wait = max((ahead[line] / self._at_once[line] for line, _ in admission.lines()), default=0.0)
            own = sum(admission.work.values())
            late = now + wait + own > admission.deadline and wait > max(FREE_WAIT_S, own / 3)
            if late and admission.refuse is not None:
                before = max(
                    (ahead[line] + returning[line]) / self._at_once[line] for line, _ in admission.lines()
                )
                admission.refuse(self._refusal(admission, before + own, now))
            kept = returning if late else ahead
            for line, seconds in admission.lines():
                kept[line] += seconds

    def _expect_again(self, admission: Admission, now: float) -> None:
        """What is left of a request, as it is expected now; a step that has taken longer than that takes longer still."""
        ran = admission.ran(now)
        for number, (step, before) in enumerate(tuple(admission.work.items())):
            seconds = self.costs.expected(*self._key(admission, step))
            if not number:
                seconds = max(seconds, 2 * ran - seconds)
            self._ahead[admission.places[step]] += seconds - before
            admission.work[step] = seconds

    @staticmethod
    def _key(admission: Admission, step: str) -> tuple[str, float, str]:
        """By what the costs of a step are learned: task, size, and what else they depend on."""
        if step == "model":
            return f"model {admission.kind}", admission.rows, admission.model
        return admission.kind if step == "draw" else step, admission.megapixels, admission.format

    def learn(self, admission: Admission, step: str, seconds: float, cpu_s: float) -> None:
        """A step has taken so many seconds, and computed in so many of them."""
        task, size, key = self._key(admission, step)
        self.costs.learn(task, seconds, size, key, cpu_s)

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
        own = sum(wanted.work.values())
        waits = max(
            self._promises.wait(
                line, wanted.order, self._at_once[line], self._ahead[line] / self._at_once[line], own
            )
            for line, _ in wanted.lines()
        )
        expected = waits + own
        late = expected * self._delay - SHARE_OF_TIME * (wanted.deadline - now)
        if late <= 0 or waits * self._delay < FREE_WAIT_S:
            return expected
        # What runs now counts as not done until it ends, so one such piece of work is added.
        raise self._kept(wanted, late + max(wanted.work.values()), now)

    def _refusal(self, admission: Admission, needed: float, now: float) -> ProblemError:
        """The refusal of an admitted request that needs so many seconds more, and of which nothing has been in vain yet."""
        return self._kept(admission, needed - SHARE_OF_TIME * (admission.deadline - admission.since), now)

    def _kept(self, wanted: Admission, seconds: float, now: float) -> ProblemError:
        """A refusal that keeps the work that is left for when the request comes again."""
        retry = max(1, math.ceil(seconds))
        self._promises.make(wanted.upload.data, wanted.kind, wanted.order, now + retry, dict(wanted.lines()))
        return ProblemError(
            503,
            f"{self.count} images are waiting, and the answer would come too late. Try again in {retry} s.",
            "queue",
            retry,
        )

    def _learn_delay(self, expected: float, seconds: float) -> None:
        """Moves the delay where an answer was far from what was expected."""
        ratio = seconds / (expected * self._delay)
        if seconds > FREE_WAIT_S and not 0.8 < ratio < 1.25:
            self._delay = min(max(self._delay * (1.05 if ratio > 1 else 1 / 1.05), 0.8), 2.0)
