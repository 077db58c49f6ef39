"""Who works next: small tasks and large ones wait in a line each, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

Place = TypeVar("Place")


class Waiter(Generic[Place]):
    """One that waits for a free place."""

    def __init__(self, large: bool, place: asyncio.Future[Place]) -> None:
        self.large = large
        self.place = place


class Lines(Generic[Place]):
    """Two waiting lines for some places; large tasks leave the last place to small ones. For one event loop.

    Args:
        places: How many places there are; with one alone, large and small tasks take turns.
    """

    def __init__(self, places: int) -> None:
        self._large_places = max(1, places - 1)
        self._large_running = 0
        self._lines: dict[bool, deque[Waiter[Place]]] = {False: deque(), True: deque()}
        self._small_next = False
        self._free: deque[Place] = deque()

    async def take(self, large: bool) -> Place:
        """A place, which must be given back with ``done`` and ``add``."""
        waiter = Waiter[Place](large, asyncio.get_running_loop().create_future())
        self._lines[large].append(waiter)
        self._assign()
        try:
            return await waiter.place
        except asyncio.CancelledError:
            if waiter.place.done() and not waiter.place.cancelled() and waiter.place.exception() is None:
                self.done(large)
                self.add(waiter.place.result())
            with suppress(ValueError):
                self._lines[large].remove(waiter)
            raise

    def add(self, place: Place) -> None:
        """A place is free."""
        self._free.append(place)
        self._assign()

    def remove(self, place: Place) -> bool:
        """Takes a free place away; False if it is not free."""
        with suppress(ValueError):
            self._free.remove(place)
            return True
        return False

    def done(self, large: bool) -> None:
        """A task has ended."""
        self._large_running -= large
        self._assign()

    def waiting(self, large: bool) -> int:
        """Number of tasks in one of the lines."""
        return len(self._lines[large])

    def refuse(self, error: Exception) -> None:
        """All that wait get an error."""
        for line in self._lines.values():
            while line:
                place = line.popleft().place
                if not place.done():
                    place.set_exception(error)

    def _assign(self) -> None:
        while self._free and (large := self._due()) is not None:
            waiter = self._lines[large].popleft()
            if waiter.place.done():  # cancelled
                continue
            self._large_running += large
            self._small_next = large
            # The place that was used last has its memory warm.
            waiter.place.set_result(self._free.pop())

    def _due(self) -> bool | None:
        """Which line is due: True for the large one, None for neither."""
        small, large = self._lines[False], self._lines[True]
        if large and self._large_running < self._large_places and not (small and self._small_next):
            return True
        return False if small else None
