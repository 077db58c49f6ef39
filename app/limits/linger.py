"""The end of a connection whose client still sends.

Closing a socket whose bytes nobody has read resets it, and the client may lose an answer that is on its way. So only the
sending half is closed at first, and what still comes is dropped for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from .pace import Connection

LINGER_S = 2.0
"""Time for which a client may go on sending after its last answer, seconds."""
MAX_LINGERING = 64
"""Number of connections that are kept so; further ones close at once."""


class Counted(Protocol):
    """What counts the connections that linger; ``Connections`` is the one."""

    lingering: int


class Linger:
    """The end of one connection.

    Args:
        connection: The connection that ends.
        counted: Counts all connections that linger.
    """

    def __init__(self, connection: Connection, counted: Counted) -> None:
        self._connection, self._counted = connection, counted
        self._until: float | None = None

    @property
    def begun(self) -> bool:
        """Whether what the client sends is dropped."""
        return self._until is not None

    def close(self, *, gently: bool) -> None:
        """Closes the connection, or at first its sending half alone.

        Args:
            gently: Whether the client may go on sending for ``LINGER_S``, unless too many do so already.
        """
        connection = self._connection
        if not gently or self._counted.lingering >= MAX_LINGERING:
            connection.transport.close()
            return
        self._counted.lingering += 1
        self._until = connection.loop.time() + LINGER_S
        connection.transport.write_eof()
        connection.flow.resume_reading()

    def is_over(self, now: float) -> bool:
        """Whether the client has had its time."""
        return self._until is not None and now > self._until

    def lost(self) -> None:
        """The connection is closed."""
        if self._until is not None:
            self._counted.lingering -= 1


class LastTransport:
    """The transport of a request after whose answer the connection closes: who writes the answer closes it.

    Args:
        transport: The connection's.
        close: Called in place of its ``close``.
    """

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close
