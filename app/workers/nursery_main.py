"""The process that workers are forked from: it has imported what they need, and has a single thread."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
import traceback

from . import tasks as tasks  # Imported before the fork, so that a new worker begins at once.
from .messages import pair
from .nursery_status import STATUS
from .worker import serve

_PR_SET_PDEATHSIG = 1


def main(descriptor: int) -> None:
    """Forks a worker for each byte that arrives, until the socket is closed.

    The answer to a byte is one byte with three descriptors: the worker's socket, its pidfd, and a pipe that tells its
    exit status once it has ended.
    """
    control = socket.socket(fileno=descriptor)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # Collections in the workers then leave the shared pages alone.
    workers: dict[int, tuple[int, int]] = {}
    poller = select.poll()
    poller.register(control, select.POLLIN)
    while True:
        for ready, _event in poller.poll():
            if ready == control.fileno():
                if not control.recv(1):
                    return
                pidfd, pid, pipe = _fork(control, workers)
                workers[pidfd] = pid, pipe
                poller.register(pidfd, select.POLLIN)
            else:
                poller.unregister(ready)
                _reap(ready, *workers.pop(ready))


def _fork(control: socket.socket, workers: dict[int, tuple[int, int]]) -> tuple[int, int, int]:
    ours, theirs = pair()
    status_read, status_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            pipes = [pipe for _pid, pipe in workers.values()]
            for descriptor in (control.detach(), ours.detach(), status_read, status_write, *pipes, *workers):
                os.close(descriptor)
            _end_with_parent()
            serve(theirs)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    pidfd = os.pidfd_open(pid)
    theirs.close()
    with contextlib.suppress(OSError):  # The service has ended; the next turn of the loop sees it.
        socket.send_fds(control, [b"w"], [ours.fileno(), pidfd, status_read])
    ours.close()
    os.close(status_read)
    return pidfd, pid, status_write


def _end_with_parent() -> None:
    """The worker is killed when the nursery ends, which happens when the service ends."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == 1:
        os._exit(0)


def _reap(pidfd: int, pid: int, pipe: int) -> None:
    _pid, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        os.write(pipe, STATUS.pack(os.waitstatus_to_exitcode(status)))
    os.close(pipe)
    os.close(pidfd)
