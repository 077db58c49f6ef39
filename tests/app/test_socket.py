"""Requests over a real socket and uvicorn, which hand-made ASGI messages can only imitate."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from hashlib import sha256

import pytest

from app.http_server import server_of
from tests.app.asking import Asking, jpeg, post
from tests.app.conftest import API, WAIT_S, Gate, Service, running, until

Hold = Callable[[Service], AbstractContextManager[Gate]]


@pytest.fixture(scope="module")
def started() -> Iterator[Service]:
    with running(max_bytes=100_000) as service:
        yield service


@pytest.fixture(scope="module")
def port(started: Service) -> Iterator[int]:
    """The port on which the same application listens."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = server_of(started.app, started.engine.settings, started.engine.metrics)
    server.config.lifespan = "off"  # the client of the fixture has started the application
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(WAIT_S)
    assert not thread.is_alive()


@pytest.fixture
def wire(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as connection:
        yield connection


def head(route: str, *headers: str) -> bytes:
    lines = [f"POST {API}/{route} HTTP/1.1", "Host: x", "Content-Type: image/jpeg", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def answer(wire: socket.socket) -> tuple[int, bytes]:
    """The next response: its status and body."""
    with wire.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, stream.read(length)


def test_a_declared_length_is_refused_while_the_body_has_not_come(wire: socket.socket) -> None:
    wire.sendall(head("predict", "Content-Length: 10000000000"))
    status, body = answer(wire)
    assert status == 413
    assert json.loads(body)["status"] == 413


def test_an_endless_chunked_body_is_refused_while_it_comes(wire: socket.socket, started: Service) -> None:
    wire.sendall(head("predict", "Transfer-Encoding: chunked"))
    chunk = b"2710\r\n" + bytes(10_000) + b"\r\n"
    for _ in range(11):  # one more than the cap; no end of the body follows
        wire.sendall(chunk)
    assert answer(wire)[0] == 413
    until(lambda: started.engine.depth == 0)


def test_a_client_that_expects_100_is_refused_before_the_body(wire: socket.socket) -> None:
    wire.sendall(head("predict", "Content-Length: 200000", "Expect: 100-continue"))
    assert answer(wire)[0] == 413  # and not first "100 Continue"


def test_a_client_that_expects_100_is_told_to_go_on(wire: socket.socket) -> None:
    data = jpeg()
    wire.sendall(head("image", f"Content-Length: {len(data)}", "Expect: 100-continue"))
    with wire.makefile("rb") as stream:
        assert stream.readline().split()[1] == b"100"
        assert stream.readline().strip() == b""
    wire.sendall(data)
    assert answer(wire)[0] == 200


NO_HTTP = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "noise": bytes(range(128, 256)),
    "a header without colon": b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
    "a length that is no number": b"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a chunk without size": head("predict", "Transfer-Encoding: chunked") + b"zz\r\n",
}


@pytest.mark.parametrize("name", NO_HTTP)
def test_what_is_no_http_gets_a_problem_document_too(wire: socket.socket, name: str) -> None:
    wire.sendall(NO_HTTP[name])
    status, body = answer(wire)
    assert status == 400
    assert "curl" in json.loads(body)["detail"]
    assert b"Invalid HTTP" not in body


def test_a_chunked_image_is_accepted(wire: socket.socket) -> None:
    data = jpeg()
    wire.sendall(head("predict", "Transfer-Encoding: chunked"))
    for start in range(0, len(data), 100):
        piece = data[start : start + 100]
        wire.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    wire.sendall(b"0\r\n\r\n")
    status, body = answer(wire)
    assert status == 200
    assert len(json.loads(body)) == 5


def test_a_connection_is_good_for_the_next_request_after_a_refused_one(wire: socket.socket) -> None:
    data = jpeg()
    for body, status in ((bytes(150_000), 413), (b"?", 415), (data[:300], 422), (data, 200), (data, 200)):
        wire.sendall(head("predict", f"Content-Length: {len(body)}") + body)
        assert answer(wire)[0] == status


@pytest.mark.slow
def test_a_disconnect_in_the_queue_saves_the_forward_pass(
    wire: socket.socket, started: Service, hold: Hold
) -> None:
    with hold(started) as gate, Asking(started.client) as asking:
        first = asking.post("predict", jpeg(0))
        assert gate.entered.wait(WAIT_S)
        wire.sendall(head("predict", f"Content-Length: {len(jpeg(1))}") + jpeg(1))
        until(lambda: started.engine.waiting == 1)
        wire.close()
        until(lambda: started.engine.depth == 1)
        gate.open.set()
        assert first.result().status_code == 200
        assert post(started.client, "predict", jpeg(2)).status_code == 200
    assert gate.batches == [[sha256(jpeg(0)).hexdigest()], [sha256(jpeg(2)).hexdigest()]]


def test_a_disconnect_in_the_upload_is_counted(wire: socket.socket, started: Service) -> None:
    before = started.metric("sge_requests_total", route=f"{API}/predict", status="499")
    wire.sendall(head("predict", "Content-Length: 5000") + bytes(100))
    wire.close()
    until(lambda: started.metric("sge_requests_total", route=f"{API}/predict", status="499") == before + 1)


def test_an_upgrade_is_an_ordinary_request(wire: socket.socket) -> None:
    upgrade = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: eA==",
        "Sec-WebSocket-Version: 13",
    )
    lines = ["GET /static/samples/nothing HTTP/1.1", "Host: x", *upgrade]
    wire.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
    assert answer(wire)[0] == 404
