"""Starts worker processes for the service: forked from one process that has no other threads, or one by one."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Protocol

from .nursery_status import STATUS

START_S = 60.0
"""Seconds until a process that does not start is given up; a busy machine takes seconds."""
ENVIRONMENT = {
    # Each thread of a library would be one more, in every worker; a fork must have a single one.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # The threads of a decoder would otherwise keep memory apart from each other.
    "MALLOC_ARENA_MAX": "1",
}


class StartError(Exception):
    """A worker process could not be started."""


class WorkerProcess(Protocol):
    """A worker, seen from the service."""

    sock: socket.socket
    """Non-blocking."""
    pid: int
    exit_fd: int | None
    """Becomes readable when the process ends; None where the system has no such descriptor."""

    def alive(self) -> bool:
        """Whether the process runs."""

    def kill(self) -> None:
        """Ends the process at once."""

    def status(self) -> int | None:
        """Exit status once the process has ended (negative: the number of a signal); None if it is not known."""

    def close(self) -> None:
        """Closes the socket, which ends an idle worker; frees the descriptors."""


class ForkedWorker:
    """A worker that the nursery has forked."""

    def __init__(self, sock: socket.socket, pidfd: int, pipe: int) -> None:
        self.sock, self._pidfd, self._pipe = sock, pidfd, pipe
        sock.setblocking(False)
        self.pid = _pid_of(pidfd)
        self.exit_fd: int | None = pidfd

    def alive(self) -> bool:
        """Whether the process runs."""
        return not _readable(self._pidfd, 0)

    def kill(self) -> None:
        """Ends the process at once."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def status(self) -> int | None:
        """The exit status, which the nursery tells."""
        if not _readable(self._pipe, 2):
            return None
        told = os.read(self._pipe, STATUS.size)
        return STATUS.unpack(told)[0] if len(told) == STATUS.size else None

    def close(self) -> None:
        """Closes the descriptors."""
        self.sock.close()
        os.close(self._pidfd)
        os.close(self._pipe)


class SpawnedWorker:
    """A worker that was started as a program of its own, where processes have no descriptors (not Linux)."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = _start("worker_main", theirs)
        self.sock = ours
        ours.setblocking(False)
        self.pid = self._process.pid
        self.exit_fd: int | None = None

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends the process at once."""
        self._process.kill()

    def status(self) -> int | None:
        """The exit status."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(2)
        return None

    def close(self) -> None:
        """Closes the socket and collects the exit status."""
        self.sock.close()
        threading.Thread(target=self._process.wait, daemon=True).start()


class Nursery:
    """The process that forks workers; one serves all pools of a program, and it is started when it is needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def worker(self) -> ForkedWorker:
        """A new worker.

        Raises:
            StartError: the system has no process, descriptor or memory left.
        """
        with self._lock:
            for _ in range(2):  # The second time with a new nursery, if the old one has ended.
                with suppress(OSError, ValueError):
                    return self._ask()
                self._end()
        raise StartError("no worker process can be started")

    def _ask(self) -> ForkedWorker:
        if self._control is None:
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = _start("nursery_main", theirs)
            self._control = ours
            ours.settimeout(START_S)
        self._control.sendall(b"w")
        told, descriptors, _flags, _address = socket.recv_fds(self._control, 1, 3)
        if not told or len(descriptors) != 3:
            for descriptor in descriptors:
                os.close(descriptor)
            raise OSError("the nursery has ended")
        return ForkedWorker(socket.socket(fileno=descriptors[0]), descriptors[1], descriptors[2])

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._control = self._process = None

    def kill(self) -> None:
        """Ends the nursery and with it every worker that it has forked, without waiting for anybody."""
        if (process := self._process) is not None:
            process.kill()


def _start(module: str, sock: socket.socket) -> subprocess.Popen[bytes]:
    """Runs ``main(descriptor)`` of a module beside this one, in a new interpreter with this one's import path."""
    code = (
        "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
        f"from {__package__}.{module} import main; main(int(sys.argv[2]))"
    )
    path = json.dumps([entry or os.getcwd() for entry in sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", code, path, str(sock.fileno())],
        env=os.environ | ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        pass_fds=(sock.fileno(),),
    )


def _pid_of(pidfd: int) -> int:
    try:
        with open(f"/proc/self/fdinfo/{pidfd}", "rb") as file:
            return int(next((line.split()[1] for line in file if line.startswith(b"Pid:")), b"-1"))
    except OSError:
        return -1


def _readable(descriptor: int, timeout_s: float) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(1000 * timeout_s))


_NURSERY = Nursery()


def end_workers() -> None:
    """Ends every forked worker at once, also one that has been stopped by a signal. Called when the program exits."""
    _NURSERY.kill()


atexit.register(end_workers)
HAS_PIDFD = hasattr(os, "pidfd_open") and sys.platform == "linux"


def start_worker() -> WorkerProcess:
    """A new worker process.

    Raises:
        StartError: the system has no process, descriptor or memory left.
    """
    if HAS_PIDFD:
        return _NURSERY.worker()
    try:
        return SpawnedWorker()
    except OSError as error:
        raise StartError(str(error)) from error
