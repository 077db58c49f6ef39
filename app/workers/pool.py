"""The pool: tasks wait in two lines, each worker process is kept by one thread, and what ends is replaced at once."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import ProblemError
from ..metrics import Metrics
from ..settings import Settings
from .errors import TaskTimeoutError
from .keeper import Keeper
from .limits import TaskLimits

T = TypeVar("T")
log = logging.getLogger("sge.app")


@dataclass(eq=False)
class Job:
    """A task that waits for a worker or runs in one."""

    name: str
    """Of the task, for metrics and log."""
    content: bytes
    """The message to the worker."""
    large: bool
    deadline: float
    """Time of ``time.monotonic``."""
    limits: TaskLimits
    result: Future[Any] = field(default_factory=Future)


class Lines:
    """Two waiting lines; a large task leaves the last free worker to the small ones."""

    def __init__(self, workers: int) -> None:
        self._large_places = max(1, workers - 1)
        self._large_running = 0
        self._lines: dict[bool, deque[Job]] = {False: deque(), True: deque()}
        self._changed = threading.Condition()
        self._small_next = False
        self.closed = False

    def put(self, job: Job) -> None:
        """Adds a job at the end of its line."""
        with self._changed:
            self._lines[job.large].append(job)
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Job | None:
        """The job that is due, which must be given back with ``done``; None after the time, or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._due() is not None, timeout_s)
            large = self._due()
            if large is None:
                return None
            job = self._lines[large].popleft()
            self._large_running += large
            self._small_next = large
            return job

    def _due(self) -> bool | None:
        """Which line is due: True for the large one, None for neither."""
        small, large = self._lines[False], self._lines[True]
        if large and self._large_running < self._large_places and not (small and self._small_next):
            return True
        return False if small else None

    def done(self, job: Job) -> None:
        """A job from ``take`` has ended."""
        with self._changed:
            self._large_running -= job.large
            self._changed.notify_all()

    def discard(self, job: Job) -> None:
        """Removes a job that nobody waits for any more, with the image that it holds."""
        with self._changed, suppress(ValueError):
            self._lines[job.large].remove(job)

    def waiting(self, large: bool) -> int:
        """Number of jobs in one of the lines."""
        return len(self._lines[large])

    def close(self) -> list[Job]:
        """Ends the lines; the jobs that still waited."""
        with self._changed:
            self.closed = True
            left = [*self._lines[False], *self._lines[True]]
            for line in self._lines.values():
                line.clear()
            self._changed.notify_all()
            return left


class WorkerPool:
    """Worker processes for the tasks of ``app/workers/tasks.py``.

    Args:
        settings: ``workers``, ``image_wall_s``, ``image_cpu_s`` and ``image_memory``.
        metrics: Receives what was killed, and the seconds of work.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self._lines = Lines(settings.workers)
        self._keepers: list[Keeper] = []

    def start(self) -> None:
        """Starts the worker processes in the background; a stopped pool can be started again."""
        self._lines = Lines(self.settings.workers)
        self._keepers = [Keeper(self._lines, self.metrics) for _ in range(self.settings.workers)]
        for keeper in self._keepers:
            keeper.start()

    async def stop(self, deadline: float) -> None:
        """Lets running tasks end until the deadline, then kills what runs. Tasks that wait are refused.

        Args:
            deadline: Time of ``time.monotonic``.
        """
        for job in self._lines.close():
            _settle(job.result, error=ProblemError(503, "The service is shutting down.", "stopping", 60))
        for keeper in self._keepers:
            keeper.stop(deadline)
        for keeper in self._keepers:
            await asyncio.to_thread(keeper.join)
        self._keepers = []

    @property
    def alive(self) -> int:
        """Number of worker processes that run."""
        return sum(keeper.alive for keeper in self._keepers)

    def busy_seconds(self) -> float:
        """Seconds that the workers have worked since the start, all together, those of running tasks included."""
        return sum(keeper.busy_seconds() for keeper in self._keepers)

    def waiting(self, *, large: bool) -> int:
        """Number of large or small tasks that no worker has begun."""
        return self._lines.waiting(large)

    async def run(
        self,
        task: Callable[..., T],
        *args: object,
        large: bool,
        deadline: float,
        limit_s: float | None = None,
    ) -> T:
        """Runs a task in a worker process.

        If the caller is cancelled, a task that waits is forgotten, and one that runs is ended.

        Args:
            task: A function of ``app/workers/tasks.py``.
            args: Its arguments, which are pickled.
            large: Large tasks never occupy all workers.
            deadline: Time of ``time.monotonic`` up to which the task may wait and run.
            limit_s: Seconds that it may run, in place of ``image_wall_s``.

        Raises:
            SGEError: what the task raises.
            ImageTooCostlyError: it needs more time or memory than the limits allow.
            TaskTimeoutError: the deadline has passed; a ``ProblemError`` with status 504.
            WorkerDiedError: its process has ended; a ``ProblemError`` with status 503.
            ProblemError: 503, the pool stops.
        """
        limits = TaskLimits(
            limit_s or self.settings.image_wall_s, self.settings.image_cpu_s, self.settings.image_memory
        )
        job = Job(task.__name__, b"", large, deadline, limits)
        # A large upload takes milliseconds to copy.
        job.content = await asyncio.to_thread(pickle.dumps, (task, args, limits), 5)
        if self._lines.closed or not self._keepers:
            raise ProblemError(503, "The service is shutting down. Try again in a minute.", "stopping", 60)
        self._lines.put(job)
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                result: T = await asyncio.wrap_future(job.result)
                return result
        except TimeoutError:
            raise TaskTimeoutError from None
        finally:
            job.result.cancel()
            self._lines.discard(job)


def _settle(future: Future[Any], value: Any = None, error: Exception | None = None) -> None:
    with suppress(InvalidStateError):
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
