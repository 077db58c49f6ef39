"""The thread that ends worker processes at their limits, also while the event loop is busy with something else."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from .limits import cpu_seconds
from .nursery import WorkerProcess

TICK_S = 0.05
"""Seconds between two looks at the clock."""
_LINGER_S = 5.0
"""Seconds that the thread goes on looking when nothing runs, because waking it costs more."""


class Watched:
    """One running task, and the time at which its process is ended.

    Args:
        worker: The process that runs it.
        limit_at: When the task's own limit is reached, in seconds of ``time.monotonic``.
        deadline: When its request is over.
    """

    def __init__(self, worker: WorkerProcess, limit_at: float, deadline: float) -> None:
        self.worker = worker
        self.end_at = min(limit_at, deadline)
        self.by_deadline = deadline < limit_at
        self.killed = False
        """True once the process was ended because the time had come."""
        self.starved = False
        """True if it was ended after it had computed for less than half of its time: others had the cores."""
        self._began = time.monotonic()
        self._cpu_s = cpu_seconds(worker.pid)

    def kill(self, now: float) -> None:
        """Ends the process."""
        self.killed = True
        cpu_s = cpu_seconds(self.worker.pid)
        if cpu_s is not None and self._cpu_s is not None:
            self.starved = cpu_s - self._cpu_s < (now - self._began) / 2
        with suppress(OSError):
            self.worker.kill()


class Guard:
    """Ends processes in time. One for a pool; its thread starts with the first task."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: set[Watched] = set()
        self._thread: threading.Thread | None = None
        self._waits = False
        self._closed = False

    def watch(self, worker: WorkerProcess, limit_at: float, deadline: float) -> Watched:
        """Ends the process at the earlier of both times, unless ``forget`` is called before."""
        watched = Watched(worker, limit_at, deadline)
        with self._changed:
            self._watched.add(watched)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sge-worker-guard", daemon=True)
                self._thread.start()
            elif self._waits:
                self._changed.notify()
        return watched

    def forget(self, watched: Watched) -> None:
        """The task has ended; from here on its process is not touched."""
        with self._changed:
            self._watched.discard(watched)

    def end_all(self, end_at: float) -> None:
        """No running task gets more time than until ``end_at``."""
        with self._changed:
            for watched in self._watched:
                if end_at < watched.end_at:
                    watched.end_at, watched.by_deadline = end_at, True

    def close(self) -> None:
        """Ends the thread, once no task is watched any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread if not self._watched else None
        if thread is not None:
            thread.join(10 * TICK_S)

    def _run(self) -> None:
        idle_since = time.monotonic()
        while True:
            with self._changed:
                now = time.monotonic()
                for watched in self._watched:
                    idle_since = now
                    if now >= watched.end_at and not watched.killed:
                        watched.kill(now)
                if not self._watched and now - idle_since > _LINGER_S and not self._closed:
                    self._waits = True
                    self._changed.wait()
                    self._waits = False
                    idle_since = time.monotonic()
                if self._closed and not self._watched:
                    return
            time.sleep(TICK_S)
