"""Tasks that do what a decoder that is attacked, or broken, might do."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import numpy as np

from app.workers.limits import TaskLimits, apply, lift
from sge.errors import UnsupportedFormatError
from sge.images import decode

KEPT: list[bytearray] = []


def give(value: Any) -> Any:
    return value


def pid() -> int:
    return os.getpid()


def rest(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def burn() -> None:
    while True:
        pass


def eat(size: int) -> int:
    return len(np.ones(size, np.uint8))


def eat_in_python(size: int) -> int:
    return len(b"x" * size)


def keep(size: int) -> int:
    KEPT.append(bytearray(b"x") * size)
    return os.getpid()


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def die(number: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    time.sleep(10)


def leave(code: int) -> None:
    os._exit(code)


def refuse(sentence: str) -> None:
    raise UnsupportedFormatError(sentence)


def blunder() -> None:
    raise ZeroDivisionError("secret of the worker")


def stop_python() -> None:
    raise SystemExit(3)


def modules(*names: str) -> list[str]:
    return sorted(set(names) & set(sys.modules))


class Evil:
    """Its pickle runs code where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def attack(path: str) -> Any:
    return Evil(path)


def _socket() -> int:
    """Descriptor of the worker's socket."""
    links = {name: os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")}
    return next(int(name) for name, target in links.items() if int(name) > 2 and "socket:" in target)


def send_garbage(content: bytes) -> None:
    os.write(_socket(), content)
    time.sleep(0.2)
    os._exit(0)


def close_everything() -> None:
    os.closerange(0, 64)
    time.sleep(30)


def decode_within(data: bytes, memory: int) -> tuple[int, int]:
    """Size of the image, decoded with so much memory."""
    apply(TaskLimits(0, 0, memory))
    try:
        image = decode(data)
    finally:
        lift()
    return image.rgb.size
