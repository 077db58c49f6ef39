"""The pool: a task waits for a worker process, runs in it under limits, and a process that ends is replaced at once."""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import ProblemError
from ..metrics import Metrics
from ..settings import Settings
from .errors import TaskTimeoutError
from .guard import Guard, Watched
from .limits import TaskLimits
from .lines import Lines
from .messages import MessageError, exchange, load_answer
from .nursery import StartError, WorkerProcess, start_worker
from .outcomes import ANSWERS, Outcome, Outcomes

T = TypeVar("T")
log = logging.getLogger("sge.app")
_LARGE_CONTENT = 1 << 20
"""Bytes from which arguments are pickled in a thread."""
_RETRY_S = 1.0
"""Seconds until another try if no process can be started."""


@dataclass
class Used:
    """What a task has used in its worker."""

    seconds: float = 0.0
    """From its beginning to its end, without any waiting; 0 until it has ended."""
    cpu_s: float = 0.0
    """Seconds of computing."""


@dataclass(eq=False)
class Seat:
    """A worker process, or the place where one is being started."""

    worker: WorkerProcess | None = None
    since: float = 0.0
    """When its task began, in seconds of ``time.monotonic``; 0 without a task."""


class WorkerPool:
    """Worker processes for the tasks of ``app/workers/tasks.py``; used by one event loop at a time.

    Args:
        settings: ``workers``, ``image_wall_s``, ``image_cpu_s`` and ``image_memory``.
        metrics: Receives what was ended, and why.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self._outcomes = Outcomes(metrics)
        self._guard = Guard()
        self._lines = Lines[Seat](settings.workers)
        self._seats: list[Seat] = []
        self._background: set[asyncio.Task[None]] = set()
        self._closed = True

    def start(self) -> None:
        """Starts the worker processes in the background; a stopped pool can be started again. On the event loop."""
        self._closed = False
        self._guard = Guard()
        self._lines = Lines[Seat](self.settings.workers)
        self._seats = [Seat() for _ in range(self.settings.workers)]
        for seat in self._seats:
            self._spawn(self._fill(seat))

    async def stop(self, deadline: float) -> None:
        """Lets running tasks end until the deadline, then kills what runs. Tasks that wait are refused.

        Args:
            deadline: Time of ``time.monotonic``.
        """
        self._closed = True
        self._lines.refuse(_stopping())
        self._guard.end_all(deadline)
        while any(seat.since for seat in self._seats) or self._background:
            await asyncio.sleep(0.01)
        for seat in self._seats:
            self._drop(seat)
        self._guard.close()
        self._seats = []

    @property
    def alive(self) -> int:
        """Number of worker processes that run."""
        return sum(seat.worker is not None and seat.worker.alive() for seat in self._seats)

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
        used: Used | None = None,
    ) -> T:
        """Runs a task in a worker process.

        If the caller is cancelled, a task that waits is forgotten, and one that runs is ended.

        Args:
            task: A function of ``app/workers/tasks.py``.
            args: Its arguments, which are pickled.
            large: Large tasks never occupy all workers, if there are two or more.
            deadline: Time of ``time.monotonic`` up to which the task may wait and run.
            limit_s: Seconds that it may run, in place of ``image_wall_s``.
            used: Receives how long the task took, if it gives a value.

        Raises:
            SGEError: what the task raises.
            ImageTooCostlyError: it needs more time or memory than the limits allow.
            StarvedTaskError: others had the cores for so long that it reached its limit of time; 503.
            TaskTimeoutError: the deadline has passed; a ``ProblemError`` with status 504.
            WorkerDiedError: its process has ended; a ``ProblemError`` with status 503.
            ProblemError: 503, the pool stops.
        """
        if self._closed:
            raise _stopping()
        limits = TaskLimits(
            limit_s or self.settings.image_wall_s, self.settings.image_cpu_s, self.settings.image_memory
        )
        order = task, args, limits
        if sum(len(arg) for arg in args if isinstance(arg, bytes)) < _LARGE_CONTENT:
            content = pickle.dumps(order, 5)
        else:
            content = await asyncio.to_thread(pickle.dumps, order, 5)
        if self._closed:
            raise _stopping()
        if time.monotonic() >= deadline:  # A free worker might be faster than the guard.
            raise TaskTimeoutError
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                seat = await self._lines.take(large)
        except TimeoutError:
            raise TaskTimeoutError from None
        try:
            result: T = await self._work(seat, task.__name__, content, limits, deadline, used)
            return result
        finally:
            self._lines.done(large)

    async def _work(
        self, seat: Seat, name: str, content: bytes, limits: TaskLimits, deadline: float, used: Used | None
    ) -> Any:
        """The task's result; the seat is free again afterwards, or is being filled anew."""
        worker = seat.worker
        assert worker is not None
        seat.since = time.monotonic()
        watched = self._guard.watch(worker, seat.since + limits.wall_s, deadline)
        try:
            received = await exchange(asyncio.get_running_loop(), worker.sock, content)
            answer = load_answer(received, *ANSWERS)
        except MessageError as error:
            self._end_task(seat, watched)
            ended = self._outcomes.ended(name, limits, watched, error)
            raise await self._replaced(seat, ended) from None
        except asyncio.CancelledError:
            self._end_task(seat, watched)
            self._spawn(self._replaced(seat, self._outcomes.cancelled(name)))
            raise
        if used is not None:
            used.seconds, used.cpu_s = answer.seconds, answer.cpu_s
        self._end_task(seat, watched)
        if answer.worn or answer.memory:
            self._drop(seat)
            self._spawn(self._fill(seat))
        else:
            self._lines.add(seat)
        return self._outcomes.value(name, limits, answer)

    def _end_task(self, seat: Seat, watched: Watched) -> None:
        self._guard.forget(watched)
        seat.since = 0.0

    async def _replaced(self, seat: Seat, outcome: Outcome) -> Exception:
        """What ``outcome`` makes of a worker that has ended, or must; another one takes its seat."""
        worker, seat.worker = seat.worker, None
        self._spawn(self._fill(seat))
        assert worker is not None
        self._forget_exit(worker)
        try:
            worker.kill()
            return await outcome(worker)
        finally:
            worker.close()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _fill(self, seat: Seat) -> None:
        """Starts a worker for a seat."""
        while not self._closed:
            try:
                worker = await asyncio.to_thread(start_worker)
            except StartError as error:
                log.error("no worker", extra={"reason": str(error)})
                await asyncio.sleep(_RETRY_S)
                continue
            seat.worker = worker
            if worker.exit_fd is not None:
                asyncio.get_running_loop().add_reader(worker.exit_fd, self._has_ended, seat, worker)
            self._lines.add(seat)
            return

    def _has_ended(self, seat: Seat, worker: WorkerProcess) -> None:
        """A worker process has ended; while a task runs in it, the task's own end is what counts."""
        self._forget_exit(worker)
        if seat.worker is worker and not seat.since and self._lines.remove(seat):
            self._outcomes.note("idle", "")
            self._drop(seat)
            self._spawn(self._fill(seat))

    def _forget_exit(self, worker: WorkerProcess) -> None:
        if worker.exit_fd is not None:
            asyncio.get_running_loop().remove_reader(worker.exit_fd)

    def _drop(self, seat: Seat) -> None:
        """Closes the socket of an idle worker, which ends it."""
        worker, seat.worker = seat.worker, None
        if worker is not None:
            self._forget_exit(worker)
            worker.close()


def _stopping() -> ProblemError:
    return ProblemError(503, "The service is shutting down. Try again in a minute.", "stopping", 60)
