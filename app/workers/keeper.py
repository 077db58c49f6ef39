"""A thread that keeps one worker process: hands it tasks, ends it at a limit, and replaces it."""

from __future__ import annotations

import logging
import signal
import threading
import time
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Protocol

from sge.errors import BrokenImageError, ImageTooCostlyError

from ..metrics import Metrics
from .errors import TaskCrashedError, TaskTimeoutError, WorkerDiedError
from .limits import TaskLimits
from .messages import MessageError, UnwantedError, exchange, load_answer
from .nursery import StartError, WorkerProcess, start_worker
from .worker import Answer

log = logging.getLogger("sge.app")
LOOK_S = 1.0
"""Seconds between two looks at whether an idle worker still runs."""
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
_ANSWERS = (Answer.__module__, f"{__package__}.tasks")


class Task(Protocol):
    """What a keeper needs of a job."""

    name: str
    content: bytes
    deadline: float
    limits: TaskLimits
    result: Future[Any]


class Source(Protocol):
    """Where tasks come from."""

    closed: bool

    def take(self, timeout_s: float) -> Any:
        """The next task, or None."""

    def done(self, job: Any) -> None:
        """A task has ended."""


class Keeper(threading.Thread):
    """Keeps one worker process.

    Args:
        source: Gives the tasks.
        metrics: Receives what was killed, and the seconds of work.
    """

    def __init__(self, source: Source, metrics: Metrics) -> None:
        super().__init__(name="sge-worker", daemon=True)
        self._source, self._metrics = source, metrics
        self._worker: WorkerProcess | None = None
        self._busy_s, self._since = 0.0, 0.0
        self._end_at: float | None = None

    @property
    def alive(self) -> bool:
        """Whether the worker process runs."""
        worker = self._worker
        with suppress(OSError, ValueError):  # Its descriptors may have been closed a moment ago.
            return worker is not None and worker.alive()
        return False

    def busy_seconds(self) -> float:
        """Seconds of all tasks so far."""
        since = self._since
        return self._busy_s + (time.monotonic() - since if since else 0.0)

    def stop(self, deadline: float) -> None:
        """A running task is ended at the deadline, a time of ``time.monotonic``."""
        self._end_at = deadline

    def run(self) -> None:
        """Works until the source is closed."""
        while True:
            self._look_after_worker()
            job = self._source.take(LOOK_S)
            if job is None:
                if self._source.closed:
                    break
                continue
            self._since = time.monotonic()
            try:
                self._settle(job)
            finally:
                self._busy_s, self._since = self.busy_seconds(), 0.0
                self._source.done(job)
        self._drop()

    def _look_after_worker(self) -> None:
        """Replaces a worker that has ended."""
        if self._worker is not None and not self._worker.alive():
            self._note("idle", None)
            self._drop()
        if self._worker is None:
            try:
                self._worker = start_worker()
            except StartError as error:
                log.error("no worker", extra={"reason": str(error)})

    def _drop(self, kill: bool = False) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            if kill:
                worker.kill()
            worker.close()

    def _settle(self, job: Task) -> None:
        try:
            value = self._value(job)
        except Exception as error:
            with suppress(InvalidStateError):
                job.result.set_exception(error)
        else:
            with suppress(InvalidStateError):
                job.result.set_result(value)

    def _value(self, job: Task) -> Any:
        if job.result.done():
            raise UnwantedError
        self._look_after_worker()
        if (worker := self._worker) is None:
            raise WorkerDiedError("No process can be started to read the image. Try again in a moment.")
        until = min(time.monotonic() + job.limits.wall_s, job.deadline)

        def unwanted() -> bool:
            return job.result.done() or (self._end_at is not None and time.monotonic() >= self._end_at)

        try:
            answer = load_answer(exchange(worker.sock, job.content, until, unwanted), *_ANSWERS)
        except UnwantedError:
            raise self._ended(job, unwanted()) from None
        except MessageError as error:
            raise self._died(job, worker, str(error)) from None
        return self._taken(job, answer)

    def _ended(self, job: Task, unwanted: bool) -> Exception:
        """Kills the worker of a task that is past its limit, or that nobody waits for."""
        self._drop(kill=True)
        if unwanted:
            self._note("cancelled", job)
            return WorkerDiedError()
        if time.monotonic() >= job.deadline:
            self._note("deadline", job)
            return TaskTimeoutError()
        self._note("wall", job)
        return ImageTooCostlyError(
            f"Reading or drawing this image took longer than {job.limits.wall_s:g} s. Make it smaller, or save it again "
            "with another program."
        )

    def _died(self, job: Task, worker: WorkerProcess, why: str) -> Exception:
        """The error for a worker that has ended by itself, or was ended by the kernel."""
        if why not in ("closed", "no message"):
            log.error("a worker's answer was refused", extra={"task": job.name, "reason": why})
            worker.kill()
        status = worker.status()
        self._drop(kill=True)
        if status == -signal.SIGXCPU:
            self._note("cpu", job)
            return ImageTooCostlyError(
                f"Reading or drawing this image took more than {job.limits.cpu_s:g} s of computing. Make it smaller, or "
                "save it again with another program."
            )
        self._note("died", job, status)
        if status is not None and -status in _CRASHES:
            return BrokenImageError(
                "The decoder failed on this image. It is damaged, or made to fail; save it again with another program."
            )
        return WorkerDiedError()

    def _taken(self, job: Task, answer: Answer) -> Any:
        if answer.memory:
            self._note("memory", job)
        if answer.worn or answer.memory:
            self._drop()
        if answer.memory:
            raise ImageTooCostlyError(
                f"This image needs more than {job.limits.memory / 2**20:.0f} MiB of memory. Make it smaller and try again."
            )
        if answer.trace:
            raise TaskCrashedError(answer.trace)
        if answer.error is not None:
            raise answer.error
        return answer.value

    def _note(self, reason: str, job: Task | None, status: int | None = None) -> None:
        self._metrics.worker_ends.labels(reason).inc()
        facts = {"reason": reason} | ({"task": job.name} if job else {})
        log.warning("worker ended", extra=facts | ({"status": status} if status is not None else {}))
