"""Messages between the service and its workers: a length and a pickle, over a socket.

A worker reads files of strangers with decoders written in C. What it answers is therefore not trusted: the service
unpickles only the classes that results consist of.
"""

from __future__ import annotations

import io
import pickle
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

_LENGTH = struct.Struct("!Q")
MAX_MESSAGE = 1 << 32
"""Bytes; a longer message is a fault."""
_CHUNK = 1 << 20
TICK_S = 0.05
"""Seconds between two looks at whether an answer is still wanted."""

ANSWER_CLASSES = {
    "builtins": {"set", "frozenset", "bytearray", "complex"},
    "sge.images.geometry": {"Geometry", "Box"},
    "sge.images.facts": {"ImageFacts"},
    "sge.images.structure": {"Structure"},
}
"""Module to classes that a worker's answer may hold, beside the errors of ``sge.errors`` and the tasks' own results."""


class MessageError(Exception):
    """The other side has closed the socket, or sent what is no message."""


class UnwantedError(Exception):
    """Nobody waits for the answer any more, or its time is over."""


def dump(value: object) -> bytes:
    """A value as a message's content."""
    return pickle.dumps(value, protocol=5)


def send(sock: socket.socket, content: bytes) -> None:
    """Sends one message, without a limit of time; for workers.

    Raises:
        MessageError: the other side is gone.
    """
    try:
        sock.sendall(_LENGTH.pack(len(content)))
        sock.sendall(content)
    except OSError as error:
        raise MessageError("closed") from error


def receive(sock: socket.socket) -> bytes:
    """Receives one message, without a limit of time; for workers.

    Raises:
        MessageError: the other side is gone.
    """
    (length,) = _LENGTH.unpack(_exactly(sock, _LENGTH.size))
    return _exactly(sock, length)


def _exactly(sock: socket.socket, length: int) -> bytes:
    buffer = bytearray(length)
    view, at = memoryview(buffer), 0
    while at < length:
        try:
            count = sock.recv_into(view[at:])
        except OSError as error:
            raise MessageError("closed") from error
        if not count:
            raise MessageError("closed")
        at += count
    return bytes(buffer)


def exchange(sock: socket.socket, content: bytes, until: float, unwanted: Callable[[], bool]) -> bytes:
    """Sends a message and gives the answer's content.

    Args:
        sock: A non-blocking socket to a worker.
        content: From ``dump``.
        until: Time of ``time.monotonic`` at which the waiting ends.
        unwanted: Asked every ``TICK_S`` seconds; True ends the waiting.

    Raises:
        MessageError: the worker is gone.
        UnwantedError: the time is over, or ``unwanted`` says so.
    """
    poller = select.poll()

    def wait(event: int) -> None:
        poller.register(sock, event)
        while not poller.poll(1000 * max(0.0, min(TICK_S, until - time.monotonic()))):
            if unwanted() or time.monotonic() >= until:
                raise UnwantedError

    try:
        for part in (memoryview(_LENGTH.pack(len(content))), memoryview(content)):
            while part:
                wait(select.POLLOUT)
                part = part[sock.send(part[:_CHUNK]) :]
        buffer, length = bytearray(), _LENGTH.size
        head = True
        while len(buffer) < length:
            wait(select.POLLIN)
            if not (received := sock.recv(min(_CHUNK, length - len(buffer)))):
                raise MessageError("closed")
            buffer += received
            if head and len(buffer) == length:
                (length,), head = _LENGTH.unpack(buffer), False
                buffer = bytearray()
                if length > MAX_MESSAGE:
                    raise MessageError("no message")
    except OSError as error:
        raise MessageError("closed") from error
    return bytes(buffer)


class _Answers(pickle.Unpickler):
    def __init__(self, content: bytes, modules: tuple[str, ...]) -> None:
        super().__init__(io.BytesIO(content))
        self._modules = modules

    def find_class(self, module: str, name: str) -> Any:
        """A class that an answer may hold."""
        own = module in self._modules and not name.startswith("_") and "." not in name
        if own or module == "sge.errors" or name in ANSWER_CLASSES.get(module, ()):
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise MessageError(f"an answer holds {module}.{name}")


def load_answer(content: bytes, *modules: str) -> Any:
    """The value of a worker's answer.

    Args:
        content: From ``exchange``.
        modules: Further modules whose classes an answer may hold.

    Raises:
        MessageError: it holds something else, or is no pickle.
    """
    try:
        return _Answers(content, modules).load()
    except MessageError:
        raise
    except Exception as error:  # A damaged pickle raises errors of many kinds.
        raise MessageError("no message") from error
