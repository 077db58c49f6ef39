"""Turns at something of which there is little: the oldest request is next, and large work never takes everything."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Turns at the worker processes, or at the memory for frames; for one event loop.

    Args:
        count: How many may have their turn at once.
        large: How many of these may be large.
    """

    def __init__(self, count: int, large: int) -> None:
        self._free = {False: count, True: max(1, min(large, count))}
        self._waiting: dict[bool, list[tuple[int, int, asyncio.Future[None]]]] = {False: [], True: []}
        self._ties = itertools.count()
        self._small_next = True

    @asynccontextmanager
    async def turn(self, order: int, *, large: bool) -> AsyncIterator[None]:
        """Waits for a turn, and keeps it inside the context.

        Args:
            order: Those with smaller numbers are first, among the small ones and among the large ones. Where both wait,
                they alternate.
            large: Whether this is large work.
        """
        if self._is_free(large) and not self._waiting[large]:
            self._begin(large)
        else:
            await self._wait(order, large)
        try:
            yield
        finally:
            self._end(large)

    async def _wait(self, order: int, large: bool) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting[large], (order, next(self._ties), future))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():  # the turn came in the same moment
                self._end(large)
            raise

    def _is_free(self, large: bool) -> bool:
        return self._free[False] > 0 and (not large or self._free[True] > 0)

    def _begin(self, large: bool) -> None:
        self._free[False] -= 1
        self._free[True] -= large
        self._small_next = large

    def _end(self, large: bool) -> None:
        self._free[False] += 1
        self._free[True] += large
        while (due := self._due()) is not None:
            future = heapq.heappop(self._waiting[due])[2]
            self._begin(due)
            future.set_result(None)

    def _due(self) -> bool | None:
        """Which line has the next turn: True for the large one, None if nobody waits or nothing is free."""
        for line in self._waiting.values():
            while line and line[0][2].done():  # cancelled
                heapq.heappop(line)
        for large in (False, True) if self._small_next else (True, False):
            if self._waiting[large] and self._is_free(large):
                return large
        return None
