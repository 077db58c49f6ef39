"""Messages between the service and its workers: a length and a pickle, over a socket.

A worker reads files of strangers with decoders written in C. What it answers is therefore not trusted: the service
unpickles only the classes that results consist of.
"""

from __future__ import annotations

import asyncio
import io
import pickle
import socket
import struct
from typing import Any

from sge.errors import SGEError
from sge.images import Box, Geometry, ImageFacts, Structure

_LENGTH = struct.Struct("!Q")
MAX_MESSAGE = 1 << 32
"""Bytes; a longer message is a fault."""
_JOINED = 1 << 16
"""Bytes up to which a message is sent in one call with its length."""
_RECEIVED = 1 << 18
"""Bytes that are received in the first call: most answers are shorter."""
BUFFER = 1 << 20
"""Bytes that a socket takes before its reader reads them, where the system allows it: most messages go in one call, and
neither side wakes the other in between."""

_ANSWER_CLASSES = {
    (kind.__module__, kind.__name__) for kind in (set, frozenset, Box, Geometry, ImageFacts, Structure)
}
"""Module and name of the classes that an answer may hold, beside the errors of ``sge.errors`` and the tasks' own results."""


class MessageError(Exception):
    """The other side has closed the socket, or sent what is no message."""


def dump(value: object) -> bytes:
    """A value as a message's content."""
    return pickle.dumps(value, protocol=5)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets for messages."""
    both = socket.socketpair()
    for sock in both:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    return both


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


async def exchange(loop: asyncio.AbstractEventLoop, sock: socket.socket, content: bytes) -> memoryview:
    """Sends a message and gives the answer's content; on the event loop, because another thread costs more than both.

    Args:
        loop: The running event loop.
        sock: A non-blocking socket to a worker.
        content: From ``dump``.

    Raises:
        MessageError: the worker is gone.
    """
    try:
        if len(content) < _JOINED:
            await loop.sock_sendall(sock, _LENGTH.pack(len(content)) + content)
        else:
            await loop.sock_sendall(sock, _LENGTH.pack(len(content)))
            await loop.sock_sendall(sock, content)
        head = await loop.sock_recv(sock, _RECEIVED)
        if len(head) < _LENGTH.size:
            raise MessageError("closed")
        (length,) = _LENGTH.unpack_from(head)
        if length > MAX_MESSAGE or len(head) - _LENGTH.size > length:
            raise MessageError("no message")
        answer = memoryview(bytearray(length))
        at = len(head) - _LENGTH.size
        answer[:at] = memoryview(head)[_LENGTH.size :]
        while at < length:
            if not (count := await loop.sock_recv_into(sock, answer[at:])):
                raise MessageError("closed")
            at += count
    except OSError as error:
        raise MessageError("closed") from error
    return answer


class _Answers(pickle.Unpickler):
    def __init__(self, content: bytes | memoryview, modules: tuple[str, ...]) -> None:
        super().__init__(io.BytesIO(content))
        self._modules = modules

    def find_class(self, module: str, name: str) -> Any:
        """A class that an answer may hold."""
        own = module in self._modules and not name.startswith("_") and "." not in name
        if own or module == SGEError.__module__ or (module, name) in _ANSWER_CLASSES:
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise MessageError(f"an answer holds {module}.{name}")


def load_answer(content: bytes | memoryview, *modules: str) -> Any:
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
