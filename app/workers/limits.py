"""The limits of one task in a worker process, kept by the kernel."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import sys
import time
from dataclasses import dataclass

_PAGE = os.sysconf("SC_PAGESIZE")


@dataclass(frozen=True)
class TaskLimits:
    """What one task may use; 0 stands for no limit."""

    wall_s: float
    """Seconds on the clock; the service ends the process then."""
    cpu_s: float
    """Seconds of computing; the kernel ends the process then (in whole seconds)."""
    memory: int
    """Bytes beyond those that the process has before the task. Kept on Linux; other systems have no such limit."""


def apply(limits: TaskLimits) -> None:
    """Sets the limits of computing time and memory for the task that begins now, in this process."""
    if limits.cpu_s:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _soft(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + limits.cpu_s))
    if limits.memory and (data := _data_bytes()) is not None:
        _soft(resource.RLIMIT_DATA, data + limits.memory)


def lift() -> None:
    """Removes the limits after a task."""
    for kind in (resource.RLIMIT_CPU, resource.RLIMIT_DATA):
        _soft(kind, resource.getrlimit(kind)[1])


def _soft(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    with contextlib.suppress(
        ValueError, OSError
    ):  # A system may keep a limit that it does not let us change.
        resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _data_bytes() -> int | None:
    """Bytes of this process that count for ``RLIMIT_DATA``; None where the system does not say."""
    fields = _statm()
    return None if fields is None else fields[5] * _PAGE


def cpu_seconds(pid: int) -> float | None:
    """Seconds that a process has computed; None if it has ended, or where the system does not say."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return time.clock_gettime(
            (~pid << 3) | 2
        )  # clock_getcpuclockid(3) of Linux, a part of its stable interface
    except (OSError, OverflowError):
        return None


def resident_bytes() -> int:
    """Bytes of memory that this process holds; 0 where the system does not say."""
    fields = _statm()
    return 0 if fields is None else fields[1] * _PAGE


def _statm() -> list[int] | None:
    try:
        with open("/proc/self/statm", "rb") as file:
            return [int(field) for field in file.read().split()]
    except (OSError, ValueError):
        return None
