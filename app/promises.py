"""Promises to requests that were refused: who comes again in time has what was kept for it, before later requests."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Line = tuple[str, bool]
EARLY_S, GRACE_S = 1.0, 5.0
"""Seconds before and after the promised time in which a request is recognized."""
MAX_KEPT_S = 120.0
"""Seconds of work in one line that are kept at most; more refused requests than that have no promise."""
MAX_PROMISES = 256
LEAST_TRUST = 1 / 16
"""Share of kept work that counts however many have not come again."""


@dataclass
class Promise:
    """What is kept for a request with a certain image."""

    order: int
    """Of the first refusal; smaller numbers are older."""
    due: float
    """When it should come again, in seconds of ``time.monotonic``."""
    work: Mapping[Line, float]


class Promises:
    """What is kept for whom.

    A request is recognized by its image and by what it asks, of which only a number is kept, and only for seconds.
    """

    def __init__(self) -> None:
        self._made: dict[int, list[Promise]] = {}
        self._trust = 1.0
        """Share of kept work that counts; halved by each request that does not come again, doubled by each that does.

        A script that ignores its refusals would otherwise make a service that has nothing to do refuse everybody.
        """

    def take(self, data: bytes, kind: str) -> Promise | None:
        """The promise that a request comes for, which is then no longer kept; None without one."""
        if not self._made:
            return None
        now = time.monotonic()
        self._forget(now - GRACE_S)
        key = hash((data, kind))
        due = [promise for promise in self._made.get(key, ()) if promise.due <= now + EARLY_S]
        if not due:
            return None
        first = min(due, key=lambda promise: promise.order)
        self._remove(key, first)
        self._trust = min(1.0, 2 * self._trust)
        return first

    def make(self, data: bytes, kind: str, order: int, due: float, work: Mapping[Line, float]) -> None:
        """Keeps work for a request that is refused now and should come again at ``due``."""
        if len(self) >= MAX_PROMISES:
            return
        for line, seconds in work.items():
            if sum(promise.work.get(line, 0.0) for promise in self._all()) + seconds > MAX_KEPT_S:
                return
        self._made.setdefault(hash((data, kind)), []).append(Promise(order, due, work))

    def wait(self, line: Line, order: int, at_once: int, wait: float, own: float) -> float:
        """How long a request waits in a line, if older requests come again as they were told.

        Those that come when it is answered already do not concern it.

        Args:
            line: The line.
            order: Of the request.
            at_once: How much of the line's work is done at once.
            wait: Seconds that it would wait without them.
            own: Seconds of its own work.
        """
        if not self._made:
            return wait
        now = time.monotonic()
        older = [promise for promise in self._all() if promise.order < order and line in promise.work]
        for promise in sorted(older, key=lambda one: one.due):
            if promise.due - now <= wait + own:
                wait += self._trust * promise.work[line] / at_once
        return wait

    def __len__(self) -> int:
        return sum(map(len, self._made.values()))

    def _all(self) -> Iterator[Promise]:
        return (promise for made in self._made.values() for promise in made)

    def _remove(self, key: int, promise: Promise) -> None:
        self._made[key].remove(promise)
        if not self._made[key]:
            del self._made[key]

    def _forget(self, before: float) -> None:
        for key, made in list(self._made.items()):
            for promise in [promise for promise in made if promise.due < before]:
                self._remove(key, promise)
                self._trust = max(LEAST_TRUST, self._trust / 2)
