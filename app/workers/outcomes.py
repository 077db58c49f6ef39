"""What a request is told when its task ends, and what log and metrics say of it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from sge.errors import BrokenImageError, ImageTooCostlyError

from ..metrics import Metrics
from .errors import StarvedTaskError, TaskCrashedError, TaskTimeoutError, WorkerDiedError
from .guard import Watched
from .limits import TaskLimits
from .messages import MessageError
from .nursery import WorkerProcess
from .worker import Answer

log = logging.getLogger("sge.app")
ANSWERS = (Answer.__module__, f"{__package__}.tasks")
"""Modules of this package whose classes an answer may hold."""
Outcome = Callable[[WorkerProcess], Awaitable[Exception]]
"""Gives the error of a request whose worker has been killed or has ended."""
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
_NEXT = "Make it smaller, or save it again with another program."


class Outcomes:
    """Results and errors of tasks.

    Args:
        metrics: Counts the processes that have ended, by reason.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def value(self, name: str, limits: TaskLimits, answer: Answer) -> Any:
        """What the task gave.

        Raises:
            SGEError: the task raised it, or needed too much memory.
            TaskCrashedError: it raised another error.
        """
        if answer.memory:
            self.note("memory", name)
            raise ImageTooCostlyError(
                f"This image needs more than {limits.memory / 2**20:.0f} MiB of memory. Make it smaller and try again."
            )
        if answer.trace:
            raise TaskCrashedError(answer.trace)
        if answer.error is not None:
            raise answer.error
        return answer.value

    def ended(self, name: str, limits: TaskLimits, watched: Watched, error: MessageError) -> Outcome:
        """For a worker that has ended, was ended by the guard or the kernel, or has sent what is no answer."""

        async def outcome(worker: WorkerProcess) -> Exception:
            if watched.killed:
                return self._past(name, limits, watched)
            if str(error) != "closed":
                log.error("the answer of a worker was refused", extra={"task": name, "reason": str(error)})
            return self._died(name, limits, await asyncio.to_thread(worker.status))

        return outcome

    def cancelled(self, name: str) -> Outcome:
        """For a worker whose request has gone."""

        async def outcome(_worker: WorkerProcess) -> Exception:
            self.note("cancelled", name)
            return WorkerDiedError()

        return outcome

    def _past(self, name: str, limits: TaskLimits, watched: Watched) -> Exception:
        if watched.by_deadline:
            self.note("deadline", name)
            return TaskTimeoutError()
        if watched.starved:
            self.note("starved", name)
            return StarvedTaskError(limits.wall_s)
        self.note("wall", name)
        return ImageTooCostlyError(
            f"Reading or drawing this image took longer than {limits.wall_s:g} s. {_NEXT}"
        )

    def _died(self, name: str, limits: TaskLimits, status: int | None) -> Exception:
        if status == -signal.SIGXCPU:
            self.note("cpu", name)
            return ImageTooCostlyError(
                f"Reading or drawing this image took more than {limits.cpu_s:g} s of computing. {_NEXT}"
            )
        self.note("died", name, status)
        if status is not None and -status in _CRASHES:
            return BrokenImageError(
                "The decoder failed on this image. It is damaged, or made to fail; save it again with another program."
            )
        return WorkerDiedError()

    def note(self, reason: str, name: str, status: int | None = None) -> None:
        """Counts and logs a worker that has ended.

        Args:
            reason: ``cpu``, ``wall``, ``starved``, ``memory``, ``deadline``, ``cancelled``, ``died``, or ``idle`` without a
                task.
            name: Of the task.
            status: Exit status.
        """
        self._metrics.worker_ends.labels(reason).inc()
        facts = {"reason": reason} | ({"task": name} if name else {})
        log.warning("worker ended", extra=facts | ({} if status is None else {"status": status}))
