"""Pools of worker processes with small limits."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from app.metrics import Metrics
from app.settings import Settings
from app.workers.pool import WorkerPool

T = TypeVar("T")


class Pool(WorkerPool):
    """A pool whose ``do`` runs a small task with much time."""

    async def do(self, task: Callable[..., Any], *args: Any, **options: Any) -> Any:
        given = {"large": False, "deadline": time.monotonic() + 60} | options
        return await self.run(task, *args, **given)

    async def fate(self, task: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """The task's result, or its error."""
        try:
            return await self.do(task, *args, **options)
        except Exception as error:
            return error

    def pids(self) -> set[int]:
        return {seat.worker.pid for seat in self._seats if seat.worker is not None}

    async def full(self) -> None:
        """Waits until every worker process is there."""
        await until(lambda: self.alive == self.settings.workers)


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.005)


def runs(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def ends(pool: WorkerPool, reason: str) -> float:
    """How often a worker has ended for a reason."""
    registry = pool._outcomes._metrics.registry
    return registry.get_sample_value("sge_worker_ends_total", {"reason": reason}) or 0.0


@pytest.fixture
def in_pool() -> Callable[..., Any]:
    """Runs an async function with a started pool, and stops that."""

    def run(work: Callable[[Pool], Awaitable[T]], **settings: Any) -> T:
        async def main() -> T:
            given = {"models": ["none"], "workers": 2, "image_wall_s": 30.0} | settings
            pool = Pool(Settings(**given), Metrics())
            pool.start()
            try:
                async with asyncio.timeout(60):
                    await pool.full()
                    return await work(pool)
            finally:
                await pool.stop(time.monotonic())
                assert pool.alive == 0

        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        result = asyncio.run(main())
        if before:
            # The nursery's socket may have been opened meanwhile; nothing that grows with the tasks.
            assert len(os.listdir("/proc/self/fd")) <= before + 3
        return result

    return run
