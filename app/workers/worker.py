"""A worker process: takes one task at a time from its socket, and answers it."""

from __future__ import annotations

import pickle
import resource
import signal
import socket
import time
import traceback
from dataclasses import dataclass
from typing import Any

from sge.errors import SGEError

from . import limits
from .memory import trim
from .messages import MessageError, dump, receive, send

TRIM_BYTES = 48 * 1024 * 1024
"""A worker that holds so much more memory after a task than it began with gives free memory back."""
RECYCLE_BYTES = 96 * 1024 * 1024
"""One that then still holds so much more is replaced."""


@dataclass(frozen=True)
class Answer:
    """What a worker sends back."""

    value: Any = None
    error: SGEError | None = None
    memory: bool = False
    """True if the task needed more memory than its limit."""
    trace: str = ""
    """Traceback of any other error."""
    cpu_s: float = 0.0
    """Seconds of computing that the task took."""
    seconds: float = 0.0
    """How long the task took."""
    worn: bool = False
    """True if the worker holds memory that it does not give back, and should be replaced."""


def serve(sock: socket.socket) -> None:
    """Answers tasks until the socket is closed."""
    # A supervisor may signal the whole group. The service decides when its workers end: it closes their sockets.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    base = limits.resident_bytes()
    try:
        while True:
            send(sock, dump(_answer(receive(sock), base)))
    except MessageError:
        return


def _answer(content: bytes, base: int) -> Answer:
    task, args, allowed = pickle.loads(content)
    content = b""
    began, started = time.monotonic(), time.process_time()
    limits.apply(allowed)
    try:
        value, error, memory, trace = task(*args), None, False, ""
    except SGEError as raised:
        value, error, memory, trace = None, raised.with_traceback(None), False, ""
        error.__cause__ = error.__context__ = None
    except MemoryError:
        value, error, memory, trace = None, None, True, ""
    except Exception:
        value, error, memory, trace = None, None, False, traceback.format_exc()
    finally:
        limits.lift()
    del args
    seconds, cpu_s = time.monotonic() - began, time.process_time() - started
    if limits.resident_bytes() > base + TRIM_BYTES:
        trim()
    own = sum(len(part) for part in (value, getattr(value, "data", b"")) if isinstance(part, bytes))
    worn = limits.resident_bytes() > base + RECYCLE_BYTES + own
    return Answer(value, error, memory, trace, cpu_s, seconds, worn)
