"""The times and rates of one connection, looked at about once a second."""

from __future__ import annotations

import asyncio
import enum
from typing import Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from ..settings_connections import ConnectionSettings
from .refusals import Refusal, slow_body, slow_head


class Reading(enum.Enum):
    """What a connection is reading."""

    HEAD = enum.auto()
    """A request's head is awaited or unfinished."""
    BODY = enum.auto()
    DONE = enum.auto()
    """The request is complete and the next one has not begun."""


class Connection(Protocol):
    """What the table of connections and a pace ask of a connection; ``app.protocol.HTTPProtocol`` is the one."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    flow: FlowControl
    limits: ConnectionSettings
    address: str
    """The key under which the connection is counted; empty if it is not counted by address."""
    since: float
    """When the reading phase began, in seconds of the loop's clock."""
    reading: Reading
    head_bytes: int
    """Bytes of an unfinished head."""
    data_bytes: int
    """Bytes of the body, without the framing of its chunks."""
    upload_bytes: int
    """Bytes of an unfinished upload that the application holds."""
    pace: Pace

    @property
    def closing(self) -> bool:
        """Whether the connection is being closed."""

    @property
    def idle(self) -> bool:
        """Whether the connection only waits for a request."""

    @property
    def in_head(self) -> bool:
        """Whether a request's head is unfinished and nothing is being answered."""

    def look(self, now: float) -> int:
        """Ends what has taken too long; returns the number of bytes that the client has not read yet."""

    def cut(self, reason: str) -> None:
        """Closes the connection without an answer."""

    def refuse(self, refusal: Refusal) -> None:
        """Closes the connection with a problem document."""

    def give_up(self) -> bool:
        """Ends the connection because the process ends; returns whether the client was owed an answer."""


class Pace:
    """How fast a client sends its request and reads its answer.

    Args:
        connection: The client's.
        header_s: Longest time for a request's head, seconds.
        every_s: Time between two looks, seconds.
    """

    def __init__(self, connection: Connection, header_s: float, every_s: float) -> None:
        self.connection = connection
        self.header_s = header_s
        self.every_s = every_s
        self.unsent = 0
        """Bytes of answers that the client had not read at the last look."""
        self.unread_since = 0.0
        """When the client was first seen not to have read its answer; 0 if it has."""
        self._last_unsent: tuple[float, int] | None = None
        self._last_upload = (0.0, 0)

    def request_begins(self) -> None:
        """A further request means that the client reads answers."""
        self.unread_since, self._last_unsent = 0.0, None
        self._last_upload = (0.0, 0)

    def buffer_was_read(self) -> None:
        """The client has read most of what was written."""
        self._last_unsent = None

    def look(self, now: float) -> int:
        """Ends what has taken too long.

        Args:
            now: Seconds of the loop's clock.

        Returns:
            Bytes that the client has not read yet.
        """
        connection = self.connection
        self.unsent = connection.transport.get_write_buffer_size()
        if self.unsent:
            self._look_at_answer(now)
        else:
            self.unread_since, self._last_unsent = 0.0, None
        if not connection.closing:
            self._look_at_request(now)
        return self.unsent

    def _look_at_request(self, now: float) -> None:
        connection, limits = self.connection, self.connection.limits
        seconds = now - connection.since
        if connection.flow.read_paused:
            connection.since += self.every_s  # the application is slow, not the client
        elif connection.reading is Reading.BODY:
            if seconds > limits.body_s:
                connection.refuse(slow_body(f"did not arrive within {limits.body_s:g} s", "body_time"))
            elif connection.data_bytes < limits.body_rate * (seconds - limits.rate_grace_s):
                rate = f"arrives at less than {limits.body_rate} bytes a second"
                connection.refuse(slow_body(rate, "body_rate"))
            self._last_upload = (now, connection.upload_bytes)
        elif connection.head_bytes and seconds > self.header_s:
            connection.refuse(slow_head(self.header_s))
        elif connection.reading is Reading.HEAD and seconds > self.header_s:
            connection.cut("silent")

    def _look_at_answer(self, now: float) -> None:
        limits = self.connection.limits
        self.unread_since = self.unread_since or now
        at, before = self._last_unsent = self._last_unsent or (now, self.unsent)
        if now - self.unread_since > limits.send_s:
            self.connection.cut("send_time")
        elif now - at > limits.rate_grace_s:
            if before - self.unsent < limits.send_rate * (now - at):
                self.connection.cut("send_rate")
            self._last_unsent = (now, self.unsent)

    def upload_speed(self, now: float) -> float:
        """How fast an upload has come since the last look, for what it holds; the slowest is the first to be ended."""
        at, before = self._last_upload
        if not before:
            return float("inf")  # it has just begun
        held = self.connection.upload_bytes
        return (held - before) / max(now - at, 1e-3) / held

    def reading_speed(self, now: float) -> float:
        """How fast the client has been reading its answer, for what it has left unread."""
        at, before = self._last_unsent or (now, self.unsent)
        return (before - self.unsent) / max(now - at, 1e-3) / max(self.unsent, 1)
