"""A small application behind the real server and its limits, and sockets that speak to it byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from app.http_server import Server, server_of
from app.metrics import Metrics
from app.settings import Settings

WAIT_S = 20
"""After this time a test that waits fails instead of hanging."""


@dataclass
class App:
    """Answers what its address asks for, and remembers what it saw."""

    open: threading.Event = field(default_factory=threading.Event)
    """``/wait`` answers once it is set."""
    waiting: int = 0
    disconnects: int = 0
    seen: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.seen.append(scope["path"])
        size = int(parse_qs(scope["query_string"].decode()).get("n", ["0"])[0])
        if scope["path"] == "/early":  # refuses before it has read anything
            await answer(send, b"early", 413)
        elif scope["path"] == "/stream":
            await start(send)
            for _ in range(size // 65536):
                await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        elif scope["path"] == "/wait":
            await self._wait(receive, send)
        elif (body := await read(receive)) is None:
            self.disconnects += 1
        else:
            facts = {"path": scope["path"], "bytes": len(body), "client": (scope["client"] or [""])[0]}
            facts["headers"] = [name.decode() for name, _ in scope["headers"]]
            await answer(send, bytes(size) or json.dumps(facts).encode())

    async def _wait(self, receive: Any, send: Any) -> None:
        await read(receive)
        gone = asyncio.ensure_future(receive())
        self.waiting += 1
        try:
            while not self.open.is_set() and not gone.done():
                await asyncio.sleep(0.005)
            if gone.done():
                self.disconnects += 1
            else:
                await answer(send, b"waited")
        finally:
            self.waiting -= 1
            gone.cancel()


async def read(receive: Any) -> bytes | None:
    """The body; None if the client disconnects first."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            return body
    return None


async def start(send: Any, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def answer(send: Any, body: bytes, status: int = 200) -> None:
    await start(send, (b"content-length", str(len(body)).encode()), status=status)
    await send({"type": "http.response.body", "body": body})


@dataclass
class Serving:
    """A running server."""

    app: App
    server: Server
    metrics: Metrics
    port: int

    def wire(self) -> Wire:
        return Wire(socket.create_connection(("127.0.0.1", self.port), WAIT_S))

    @contextmanager
    def wires(self, number: int) -> Iterator[list[Wire]]:
        made: list[Wire] = []
        try:
            for _ in range(number):
                made.append(self.wire())
            yield made
        finally:
            for wire in made:
                wire.close()

    @property
    def open(self) -> int:
        return len(self.server.connections.open)

    def cut(self, reason: str) -> float:
        return self.metrics.registry.get_sample_value("sge_connections_cut_total", {"reason": reason}) or 0.0


@contextmanager
def serving(**settings: Any) -> Iterator[Serving]:
    """A server with these settings in a thread of its own."""
    application, metrics = App(), Metrics()
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = server_of(application, Settings(**settings), metrics)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        until(lambda: server.started)
        yield Serving(application, server, metrics, listening.getsockname()[1])
    finally:
        application.open.set()
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive()


class Wire:
    """A client's socket."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.stream = connected.makefile("rb")

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next response: status, headers by lower-case name, and body; status 0 once the connection is closed."""
        try:
            line = self.stream.readline()
            if not line:
                return 0, {}, b""
            headers = {}
            while text := self.stream.readline().strip().decode("latin-1"):
                name, _, value = text.partition(":")
                headers[name.lower()] = value.strip()
            return int(line.split()[1]), headers, self.stream.read(int(headers.get("content-length", 0)))
        except ConnectionError:
            return 0, {}, b""

    def closed(self, within_s: float = WAIT_S) -> bool:
        """Whether the server closes the connection within a time, without a further answer."""
        self.socket.settimeout(within_s)
        try:
            return not self.socket.recv(1)
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


def until(condition: Callable[[], object]) -> None:
    """Waits for a condition that another thread fulfills."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def get(path: str, *headers: str) -> bytes:
    """A GET request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def post(path: str, *headers: str) -> bytes:
    """The head of a POST request."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()
