"""Clients that are slow on purpose in each phase of a connection, and clients that are merely slow."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.app.limits.serving import Serving, Wire, get, post, serving, until

LIMITS = {
    "header_s": 0.6,
    "keep_alive_s": 0.6,
    "body_s": 2.0,
    "body_rate": 1000,
    "send_s": 4.0,
    "send_rate": 1_000_000,
    "rate_grace_s": 0.6,
}
DRIP_S = 0.1


@pytest.fixture(scope="module")
def served() -> Iterator[Serving]:
    with serving(**LIMITS) as started:
        yield started


@pytest.fixture(scope="module")
def ends(served: Serving) -> dict[str, tuple[int, str]]:
    """The answers to every slow client; they run at once, so that the test takes as long as the slowest."""
    with ThreadPoolExecutor(len(SLOW)) as pool:
        started = {name: pool.submit(drip, served, *SLOW[name]) for name in SLOW}
        return {name: future.result() for name, future in started.items()}


SLOW: dict[str, tuple[bytes, bytes]] = {
    "silent": (b"", b""),
    "a head that stops": (b"GET / HTTP/1.1\r\nHost: x\r\n", b""),
    "a head in drips": (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
    "empty lines in drips": (b"\r\n", b"\r\n"),
    "a body that does not come": (post("/", "Content-Length: 100"), b""),
    "a body in drips": (post("/", "Content-Length: 100000"), b"x"),
    "chunks in drips": (post("/", "Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
    "a chunk's extension in drips": (post("/", "Transfer-Encoding: chunked") + b"1;", b"x"),
    "a first half at once": (post("/", "Content-Length: 100000") + bytes(50_000), b"x"),
    "100-continue and nothing": (post("/", "Content-Length: 100", "Expect: 100-continue"), b""),
    "idle after an answer": (get("/"), b""),
    "empty lines after an answer": (get("/") + b"\r\n", b"\r\n"),
    "a next head in drips": (get("/") + b"GET /", b"x"),
    "the rest of a refused body in drips": (post("/early", "Content-Length: 100000"), b"x"),
}
"""What is sent at once, and what follows again and again."""


def drip(served: Serving, first: bytes, then: bytes) -> tuple[int, str]:
    """The last answer's status, and its sentence or body, before the connection is closed."""
    wire = served.wire()
    wire.send(first)
    wire.socket.settimeout(DRIP_S)
    received, end = b"", time.monotonic() + 15
    while time.monotonic() < end:
        try:
            part = wire.socket.recv(65536)
            if not part:
                break
            received += part
        except TimeoutError:
            wire.send(then)
        except ConnectionError:
            break
    else:
        return -1, "still open"
    wire.close()
    if b"HTTP/1.1 " not in received:
        return 0, ""
    head, _, body = (b"HTTP/1.1 " + received.rsplit(b"HTTP/1.1 ", 1)[1]).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["detail"] if b"problem" in head else body.decode()


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("silent", 0, ""),
        ("a head that stops", 408, "0.6 s"),
        ("a head in drips", 408, "0.6 s"),
        ("empty lines in drips", 408, "0.6 s"),
        ("a body that does not come", 408, "1000 bytes a second"),
        ("a body in drips", 408, "1000 bytes a second"),
        ("chunks in drips", 408, "1000 bytes a second"),
        ("a chunk's extension in drips", 408, "1000 bytes a second"),
        ("a first half at once", 408, "within 2 s"),
        ("100-continue and nothing", 408, "1000 bytes a second"),
        ("idle after an answer", 200, ""),
        ("empty lines after an answer", 408, "0.6 s"),
        ("a next head in drips", 408, "0.6 s"),
        ("the rest of a refused body in drips", 413, "early"),
    ],
)
def test_every_phase_ends(ends: dict[str, tuple[int, str]], name: str, status: int, words: str) -> None:
    got, text = ends[name]
    assert got == status, text
    assert words in text


def test_a_client_that_is_merely_slow_is_served(served: Serving) -> None:
    with served.wires(1) as (wire,):
        wire.send(post("/", "Content-Length: 3000"))
        for _ in range(10):  # 1 s in all, more than rate_grace_s
            wire.send(bytes(300))
            time.sleep(DRIP_S)
        assert json.loads(wire.answer()[2])["bytes"] == 3000


def reading(served: Serving, path: str) -> Wire:
    """A client that asks and has not read anything yet; its own buffer is small."""
    wire = served.wire()
    wire.send(get(path))
    return wire


@pytest.mark.parametrize("path", ["/one?n=20000000", "/stream?n=20000000"])
def test_an_answer_that_is_not_read_is_given_up(served: Serving, path: str) -> None:
    before = served.cut("send_rate")
    wire = reading(served, path)
    until(lambda: served.cut("send_rate") == before + 1)
    until(lambda: served.open == 0)
    wire.close()


def test_an_answer_that_is_read_slowly_arrives_whole(served: Serving) -> None:
    wire = reading(served, "/one?n=12000000")
    received, started = 0, time.monotonic()
    while received < 12_000_000:
        part = wire.socket.recv(500_000)
        assert part, "cut off"
        received += len(part)
        time.sleep(max(0.0, started + received / 6_000_000 - time.monotonic()))  # six times the least rate
    wire.close()
    assert time.monotonic() - started > LIMITS["rate_grace_s"]


def test_unread_answers_of_all_clients_together_are_limited() -> None:
    with serving(max_unsent_bytes=25_000_000, rate_grace_s=0.4, send_rate=0) as served:
        wires = [reading(served, "/one?n=20000000") for _ in range(4)]
        until(lambda: served.cut("unsent") >= 2)
        kept = sum(connection.pace.unsent for connection in tuple(served.server.connections.open))
        assert kept <= 25_000_000
        for wire in wires:
            wire.close()


def test_unfinished_uploads_of_all_clients_together_are_limited() -> None:
    # max_bytes below the limit, as one upload must always fit.
    with serving(max_uploading_bytes=3_000_000, max_bytes=1_000_000, rate_grace_s=0.4, body_rate=0) as served:
        with served.wires(3) as wires:
            for wire in wires:
                wire.send(post("/", "Content-Length: 1000000"), bytes(900_000))
            until(lambda: served.server.connections.uploading == 2_700_000)
            time.sleep(0.3)  # until the look at the connections has seen that nothing comes
            with served.wires(1) as (honest,):
                honest.send(post("/", "Content-Length: 1000000"), bytes(1_000_000))
                assert json.loads(honest.answer()[2])["bytes"] == 1_000_000
            assert served.cut("uploads") == 1
        until(lambda: served.server.connections.uploading == 0)
