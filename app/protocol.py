"""uvicorn's HTTP/1.1 protocol under limits of bytes, time and number; see ``app.limits``.

A connection reads one request after the other: its *head* (line and headers), then its body. Beside that, at most one
answer at a time is written. What is past a limit is answered with a problem document and closed, or cut off where
nothing can be answered. The times are looked at in ``look``, at most once a second, so that a request pays for none.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from .limits.connections import Connections
from .limits.linger import LastTransport, Linger
from .limits.pace import Pace, Reading
from .limits.refusals import (
    CHUNKS,
    NO_HTTP,
    PIPELINED,
    STOPPING,
    TUNNEL,
    Refusal,
    RefusedError,
    long_head,
    long_url,
    many_headers,
)
from .limits.upgrade import without_upgrade


class HTTPProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        connections: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.all = connections
        self.limits = connections.settings
        self.address = ""
        """The key under which the connection is counted; empty if it is not counted by address."""
        self.since = self.loop.time()
        """When the reading phase began, in seconds of the loop's clock."""
        self.upload_bytes = 0
        """Bytes of an unfinished upload that the application holds."""
        self.reading = Reading.HEAD
        self.head_bytes = 0
        """Bytes of an unfinished head."""
        self.data_bytes = 0
        """Bytes of the body, without the framing of its chunks."""
        self.pace = Pace(self, connections.header_s, connections.every_s)
        self._read_bytes = 0  # in the last read
        self._wire_bytes = 0  # of the body, with its framing
        self._owed = 0  # requests whose answers are not yet written
        self._upgrading = False
        self._refusal: Refusal | None = None
        self._lingers = True
        self._linger = Linger(self, connections)

    @property
    def closing(self) -> bool:
        """Whether the connection is being closed."""
        return self._refusal is not None or self._linger.begun or self.transport.is_closing()

    @property
    def idle(self) -> bool:
        """Whether the connection only waits for a request."""
        return not (self._owed or self.head_bytes or self.reading is Reading.BODY)

    @property
    def in_head(self) -> bool:
        """Whether a request's head is unfinished and nothing is being answered."""
        return bool(self.head_bytes) and not self._owed

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio."""
        super().connection_made(transport)
        self.address = self.all.counted_address(self.client[0]) if self.client else ""
        if refusal := self.all.add(self):
            self.refuse(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._forget_upload()
        self._linger.lost()
        self.all.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._unset_keepalive_if_required()
        if self._refusal is not None or self._linger.begun:
            return  # the client may finish sending, so that it reads its answer
        self._read_bytes = len(data)
        if self.reading is Reading.BODY:
            self._wire_bytes += self._read_bytes
        else:
            if not self.head_bytes:
                self.since = self.loop.time()
            self.head_bytes += self._read_bytes
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            self._go_on_without_upgrade(data[error.args[0] :])
            return
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause.refusal if isinstance(cause, RefusedError) else NO_HTTP)
            return
        if self.reading is Reading.BODY:
            if self._wire_bytes - self.data_bytes > self.limits.max_chunk_overhead + self.data_bytes // 4:
                self.refuse(CHUNKS)
        elif self.head_bytes > self.limits.max_header_bytes:
            self.refuse(long_head(self.limits.max_header_bytes))

    def resume_writing(self) -> None:
        """Called by asyncio: the client has read most of what was written."""
        self.pace.buffer_was_read()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if len(self.pipeline) >= self.limits.max_pipelined:
            raise RefusedError(PIPELINED)
        super().on_message_begin()
        self.reading = Reading.HEAD
        self.since = self.loop.time()
        self.head_bytes = self.head_bytes or 1  # it follows another request in the same read
        self.pace.request_begins()

    def on_url(self, url: bytes) -> None:
        """Called by the parser."""
        super().on_url(url)
        if len(self.url) > self.limits.max_url_bytes:
            raise RefusedError(long_url(self.limits.max_url_bytes))

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if len(self.headers) > self.limits.max_headers:
            raise RefusedError(many_headers(self.limits.max_headers))
        longest = self.limits.max_header_bytes
        # Only a long read makes them worth a sum.
        if max(self._read_bytes, self.head_bytes) > longest and self._head_size() > longest:
            raise RefusedError(long_head(longest))
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise RefusedError(TUNNEL)
            self._upgrading = True  # the request is read again without it
            return
        super().on_headers_complete()
        if not self.cycle.keep_alive:
            last = LastTransport(self.transport, self._end_after_answer)
            self.cycle.transport = last  # type: ignore[assignment]  # the cycle calls nothing else of it
        self._owed += 1
        self.reading = Reading.BODY
        self.since = self.loop.time()
        self.head_bytes = self._wire_bytes = self.data_bytes = 0
        self.headers = []  # trailers of a chunked body must not become headers of the request

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        super().on_body(body)
        self.data_bytes += len(body)
        if not self.cycle.response_complete:
            self.upload_bytes += len(body)
            self.all.uploaded(self, len(body))
        if self._refusal is not None:
            raise RefusedError(self._refusal)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._upgrading:
            return
        self.reading = Reading.DONE
        self._forget_upload()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Called by uvicorn: an answer is written, though perhaps not yet read by the client."""
        self._owed -= 1
        self._forget_upload()  # what is left of a refused upload is read and dropped
        if self.reading is Reading.DONE:
            self.since = self.loop.time()
        if not self._linger.begun:
            super().on_response_complete()
        if self._refusal is not None and not self._owed:
            self._answer_refusal(self._refusal)

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        head = without_upgrade(
            self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers
        )
        self._upgrading = False
        self.head_bytes = 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.data_received(head + rest)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _forget_upload(self) -> None:
        if self.upload_bytes:
            self.all.uploading -= self.upload_bytes
            self.upload_bytes = 0

    def look(self, now: float) -> int:
        """Ends what has taken too long; returns the number of bytes that the client has not read yet."""
        if self._linger.is_over(now):
            self.transport.abort()
            return 0
        return self.pace.look(now)

    def shutdown(self) -> None:
        """Called by uvicorn: the server stops. A complete request is answered, and everything else ends now."""
        if self.closing:
            return
        if self.reading is Reading.BODY or (self.head_bytes and not self._owed):
            self.refuse(STOPPING, linger=False)
        elif self._owed:
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def cut(self, reason: str) -> None:
        """Closes the connection without an answer."""
        self.all.note(reason)
        self.all.uncount(self)
        self.transport.abort()

    def refuse(self, refusal: Refusal, *, linger: bool = True) -> None:
        """Closes the connection with a problem document, after the answers that are owed to complete requests.

        Args:
            refusal: What is said.
            linger: Whether the client may go on sending for a while.
        """
        if self.closing:
            return
        self._refusal, self._lingers = refusal, linger
        self.all.note(refusal.reason)
        self.all.uncount(self)
        self._forget_upload()
        if self.reading is Reading.BODY:
            if self.cycle.response_started:
                self.transport.close()
                return
            self._leave_request(refusal.reason)
        if not self._owed:
            self._answer_refusal(refusal)

    def give_up(self) -> bool:
        """Ends the connection because the process ends; returns whether the client was owed an answer."""
        owed = bool(self._owed or self.transport.get_write_buffer_size())
        if self.closing or self._owed != 1 or self.cycle.response_started:
            self.transport.abort()
        else:
            self._refusal, self._lingers = STOPPING, False
            self._leave_request(STOPPING.reason)
            self._answer_refusal(STOPPING)
        return owed

    def _leave_request(self, reason: str) -> None:
        """Takes the last request from the application, as if its client had disconnected."""
        self._owed -= 1
        self.cycle.scope["state"]["rejected"] = reason
        if self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()  # the application has not seen it
        else:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _answer_refusal(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(refusal.answer)
        self._linger.close(gently=self._lingers)

    def _end_after_answer(self) -> None:
        """Called in place of the transport's ``close``, by who has written the last answer."""
        self.all.uncount(self)
        self._linger.close(gently=self.reading is Reading.BODY)


def protocol_of(connections: Connections) -> Callable[..., HTTPProtocol]:
    """What uvicorn calls for each connection of a server."""
    return functools.partial(HTTPProtocol, connections=connections)
