"""Load on an HTTP server: clients that wait for each answer, or requests that arrive at a given rate.

The generator shares the cores with what it measures, so it does little for a request: it sends bytes that were made
before, and reads no more of an answer than where it ends.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sge.bench.service.answers import AnswerReader, BrokenAnswerError

MAX_CONNECTIONS = 256
"""Connections that an open loop has at most; a request that finds none free waits, and its time runs."""
ANSWER_LIMIT_S = 60.0
"""A request without an answer after this time has failed."""
RETRY_PAUSE_S = 0.05
"""Pause of a client whose connection broke."""


@dataclass
class Load:
    """What a server did with the requests of one run."""

    seconds: float = 0.0
    """From the first request to the end of the last answer that counts."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from sending a request, or from the time it was due, to the end of its answer; of answers with 200."""
    refused: int = 0
    """Answers with 503 or 429."""
    failed: int = 0
    """Other answers, broken connections, and requests without an answer."""
    sent_late: int = 0
    """Requests of an open loop that were sent more than 10 ms after they were due, which is the generator's fault."""

    @property
    def rate(self) -> float:
        """Answers with 200 a second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def quantile(self, share: float) -> float | None:
        """The latency in seconds that ``share`` of the answers do not exceed; None without answers."""
        if not self.latencies:
            return None
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def count(self, status: int, seconds: float) -> None:
        """Adds one answer."""
        if status == 200:
            self.latencies.append(seconds)
        elif status in (429, 503):
            self.refused += 1
        else:
            self.failed += 1

    def add(self, other: Load) -> None:
        """Adds another run."""
        self.seconds += other.seconds
        self.latencies += other.latencies
        self.refused += other.refused
        self.failed += other.failed
        self.sent_late += other.sent_late


def post(path: str, host: str, body: bytes, content_type: str = "image/jpeg") -> bytes:
    """The bytes of a POST request.

    Args:
        path: Path and query.
        host: Value of the Host header.
        body: The image's bytes.
        content_type: Media type of the body.
    """
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nAccept: */*\r\n\r\n"
    )
    return head.encode("ascii") + body


def form(image: bytes) -> tuple[bytes, str]:
    """The body of a form with one file field ``image``, and its media type."""
    mark = b"sge-bench-8d1f"
    head = (
        b"--" + mark + b'\r\nContent-Disposition: form-data; name="image"; filename="image.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n"
    )
    return head + image + b"\r\n--" + mark + b"--\r\n", f"multipart/form-data; boundary={mark.decode()}"


async def closed_loop(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Clients that each send their next request when the last one is answered.

    A client whose request is refused waits as long as the answer's Retry-After says.

    Args:
        port: Of the server, on 127.0.0.1.
        requests: Sent in turn; every client begins with another one.
        clients: Number of clients, each with a connection of its own.
        seconds: No request is sent after this time. Answers that come later do not count.
    """
    load = Load(seconds)
    started = time.perf_counter()
    until = started + seconds

    async def client(number: int) -> None:
        connection = Connection(port)
        with suppress(asyncio.CancelledError):
            while (sent := time.perf_counter()) < until:
                answer = await connection.ask(requests[number % len(requests)])
                number += 1
                if (now := time.perf_counter()) <= until:
                    load.count(answer.status, now - sent)
                if answer.retry_after:
                    await asyncio.sleep(min(answer.retry_after, max(0.0, until - now)))
        connection.close()

    tasks = [asyncio.create_task(client(number)) for number in range(clients)]
    await asyncio.wait(tasks, timeout=seconds + ANSWER_LIMIT_S)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks)
    return load


async def open_loop(port: int, requests: Sequence[bytes], rate: float, seconds: float, seed: int = 0) -> Load:
    """Requests that arrive at random times (a Poisson process), whether or not earlier ones are answered.

    Args:
        port: Of the server, on 127.0.0.1.
        requests: Sent in turn.
        rate: Mean number of requests a second.
        seconds: Time in which requests arrive. All are waited for.
        seed: Of the arrival times.
    """
    load = Load()
    drawn = random.Random(seed)
    free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for _ in range(MAX_CONNECTIONS):
        free.put_nowait(Connection(port))
    started = time.perf_counter()

    async def arrive(due: float, request: bytes) -> None:
        connection = await free.get()
        if time.perf_counter() > due + 0.01:
            load.sent_late += 1
        answer = await connection.ask(request)
        load.count(answer.status, time.perf_counter() - due)
        free.put_nowait(connection)

    tasks: list[asyncio.Task[None]] = []
    due = started + drawn.expovariate(rate)
    while due < started + seconds:
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(arrive(due, requests[len(tasks) % len(requests)])))
        due += drawn.expovariate(rate)
    await asyncio.gather(*tasks)
    load.seconds = time.perf_counter() - started
    while not free.empty():
        free.get_nowait().close()
    return load


@dataclass(frozen=True)
class Answer:
    """Of an answer, what the generator needs."""

    status: int
    """0 if there was none."""
    retry_after: float = 0.0
    """Seconds."""


class Connection:
    """One kept connection, which carries one request at a time and is made anew when the server closes it.

    Args:
        port: Of the server, on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._protocol: _Protocol | None = None

    async def ask(self, request: bytes) -> Answer:
        """The answer to a request; never raises for what the server does."""
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                if self._protocol is None or not self._protocol.usable:
                    loop = asyncio.get_running_loop()
                    _, self._protocol = await loop.create_connection(_Protocol, "127.0.0.1", self.port)
                return await self._protocol.ask(request)
        except (OSError, BrokenAnswerError, TimeoutError):
            self.close()
            await asyncio.sleep(RETRY_PAUSE_S)
            return Answer(0)

    def close(self) -> None:
        """Closes the connection."""
        if self._protocol is not None:
            self._protocol.close()
            self._protocol = None


class _Protocol(asyncio.Protocol):
    def __init__(self) -> None:
        self._reader = AnswerReader()
        self._waiting: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> Answer:
        assert self._transport is not None
        self._reader = AnswerReader()
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        waiting = self._waiting
        if waiting is None or waiting.done():
            return
        try:
            if not self._reader.feed(data):
                return
        except BrokenAnswerError as error:
            waiting.set_exception(error)
            return
        if self._reader.closes:
            self.close()
        waiting.set_result(Answer(self._reader.status, self._reader.retry_after))

    def connection_lost(self, exc: Exception | None) -> None:
        waiting = self._waiting
        if waiting is None or waiting.done():
            return
        if self._reader.ends_with_connection:
            waiting.set_result(Answer(self._reader.status, self._reader.retry_after))
        else:
            waiting.set_exception(BrokenAnswerError("the connection was closed before the answer's end"))
