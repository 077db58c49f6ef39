"""Requests for tests: in parallel threads, and as ASGI messages that no client library would send."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from tests.app.conftest import API, Service


def jpeg(seed: int = 0, size: tuple[int, int] = (96, 64), kind: str = "JPEG") -> bytes:
    """A small encoded image; each seed gives another one."""
    coarse = np.random.RandomState(seed).randint(0, 256, (4, 6, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()


def post(client: TestClient, route: str, data: bytes, **params: object) -> Any:
    """Posts the image's bytes as the whole body."""
    return client.post(f"{API}/{route}", content=data, params=params, headers={"Content-Type": "image/jpeg"})


class Asking:
    """Sends requests in threads while the test continues."""

    def __init__(self, client: TestClient, most: int = 32) -> None:
        self.client = client
        self.pool = ThreadPoolExecutor(most)

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()

    def post(self, route: str, data: bytes, **params: object) -> Future[Any]:
        return self.pool.submit(post, self.client, route, data, **params)


def check_problem(response: Any, status: int) -> dict[str, Any]:
    """Checks that a response is a problem document (RFC 9457) with a sentence, and returns the document."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail"} <= set(body)
    assert body["type"] == "about:blank"
    assert body["title"] == HTTPStatus(status).phrase
    assert body["status"] == status
    assert body["detail"].endswith((".", ")")), body["detail"]
    assert "default-src 'none'" in response.headers["content-security-policy"]
    return body


@dataclass
class Exchange:
    """One request as plain ASGI messages."""

    route: str
    chunks: Iterable[bytes]
    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""
    hang_up: bool = False
    """The client disconnects in place of ending the body."""
    stalls: bool = False
    """No message follows the chunks."""
    gone: threading.Event = field(default_factory=threading.Event)
    """Set by the test to disconnect the client after it has sent the whole body."""
    pulled: int = 0
    """Number of messages that the application has received."""
    sent: list[dict[str, Any]] = field(default_factory=list)

    async def run(self, service: Service) -> Exchange:
        messages = self._messages()

        async def receive() -> dict[str, Any]:
            self.pulled += 1
            return await anext(messages)

        async def send(message: Any) -> None:
            self.sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": f"{API}/{self.route}",
            "raw_path": f"{API}/{self.route}".encode(),
            "query_string": self.query.encode(),
            "root_path": "",
            "headers": [
                (k.lower().encode(), v.encode("latin-1"))
                for k, v in ({"Host": "testserver"} | self.headers).items()
            ],
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
        }
        await service.app(scope, receive, send)
        return self

    async def _messages(self) -> AsyncIterator[dict[str, Any]]:
        for chunk in self.chunks:
            yield {"type": "http.request", "body": chunk, "more_body": True}
        if self.stalls:
            await asyncio.Event().wait()
        if not self.hang_up:
            yield {"type": "http.request", "body": b"", "more_body": False}
            yield {"type": "http.request", "body": b"", "more_body": False}  # some servers say it twice
            while not self.gone.is_set():
                await asyncio.sleep(0.002)
        while True:
            yield {"type": "http.disconnect"}

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def body(self) -> Any:
        return json.loads(b"".join(message.get("body", b"") for message in self.sent))


BOUNDARY = "a1b2c3"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(data: bytes, disposition: str = 'form-data; name="image"; filename="p.jpg"', *more: str) -> bytes:
    """One part of a form, with its boundary before it."""
    head = "\r\n".join([f"--{BOUNDARY}", f"Content-Disposition: {disposition}", *more])
    return head.encode() + b"\r\n\r\n" + data + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
