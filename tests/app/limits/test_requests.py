"""Heads and bodies that are absurd, and requests that follow each other, through a real socket."""

from __future__ import annotations

import json
import logging
import random
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.app.limits.serving import Serving, Wire, get, post, serving, until

LIMITS = {"max_header_bytes": 4096, "max_headers": 20, "max_url_bytes": 1000, "max_pipelined": 3}


@pytest.fixture(scope="module")
def served() -> Iterator[Serving]:
    with serving(**LIMITS, max_chunk_overhead=2000) as started:
        yield started


@pytest.fixture
def wire(served: Serving) -> Iterator[Wire]:
    made = served.wire()
    yield made
    made.close()


def refused(wire: Wire, status: int) -> str:
    """The sentence of a problem document, after which the connection is closed."""
    got, headers, body = wire.answer()
    assert got == status, body
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/problem+json"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert wire.closed()
    problem = json.loads(body)
    assert problem["status"] == status
    return str(problem["detail"])


ABSURD_HEADS = {
    "one long header": (get("/", "X: " + "a" * 5000), 431),
    "a long header that never ends": (b"GET / HTTP/1.1\r\nX: " + b"a" * 5000, 431),
    "many megabytes of one header": (b"GET / HTTP/1.1\r\nX: " + b"a" * 5_000_000, 431),
    "a long name": (b"GET / HTTP/1.1\r\n" + b"a" * 5000, 431),
    "many headers": (get("/", *["X: y"] * 21), 431),
    "many headers that never end": (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000, 431),
    "a long address": (get("/" + "a" * 1001), 414),
    "an address that never ends": (b"GET /" + b"a" * 1001, 414),
    "empty lines that never end": (b"\r\n" * 5000, 431),
    "a tunnel": (b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", 501),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "an address that is none": (b"GET http:// HTTP/1.1\r\n\r\n", 400),
    "a later version": (b"GET / HTTP/3.7\r\n\r\n", 400),
    "both lengths": (post("/", "Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", ABSURD_HEADS)
def test_an_absurd_head_is_refused_before_the_application(served: Serving, wire: Wire, name: str) -> None:
    data, status = ABSURD_HEADS[name]
    before = len(served.app.seen)
    try:
        wire.send(data)
    except ConnectionError:
        pytest.fail("the answer could be lost")
    assert refused(wire, status).endswith(".")
    assert len(served.app.seen) == before


def test_heads_below_the_limits_pass(wire: Wire) -> None:
    wire.send(get("/" + "a" * 990), get("/b", "X: " + "a" * 3900), get("/c", *["X: y"] * 19))
    for path in ("/a", "/b", "/c"):
        status, _, body = wire.answer()
        assert status == 200
        assert json.loads(body)["path"].startswith(path)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_requests_are_the_same_however_they_are_cut_into_packets(
    served: Serving, data: st.DataObject
) -> None:
    body = data.draw(st.binary(max_size=300))
    chunked = data.draw(st.booleans())
    upgrade = data.draw(st.sampled_from([(), ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")]))
    if chunked:
        head = post("/one", "Transfer-Encoding: chunked", *upgrade)
        framed = (f"{len(body):x}\r\n".encode() + body + b"\r\n" if body else b"") + b"0\r\n\r\n"
    else:
        head, framed = post("/one", f"Content-Length: {len(body)}", *upgrade), body
    whole = head + framed + get("/two")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    wire = served.wire()
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        wire.send(whole[start:end])
    first, second = wire.answer(), wire.answer()
    wire.close()
    assert (first[0], second[0]) == (200, 200)
    assert json.loads(first[2])["bytes"] == len(body)
    assert json.loads(first[2])["path"] == "/one"
    assert json.loads(second[2])["path"] == "/two"


def test_trailers_do_not_become_headers(wire: Wire) -> None:
    head = post("/", "Transfer-Encoding: chunked")
    wire.send(head, b"3\r\nabc\r\n0\r\nX-Forwarded-For: 1.2.3.4\r\nAuthorization: Bearer x\r\n\r\n")
    status, _, body = wire.answer()
    assert status == 200
    assert json.loads(body)["headers"] == ["host", "transfer-encoding"]
    wire.send(get("/next"))
    assert wire.answer()[0] == 200


FRAMING = {
    "chunks of one byte": b"1\r\na\r\n" * 3000,
    "chunk extensions": b"1;" + b"x" * 5000 + b"\r\na\r\n",
    "trailers": b"1\r\na\r\n0\r\n" + b"X: y\r\n" * 2000,
    "a size of many zeros": b"0" * 5000 + b"1\r\na\r\n",
}


@pytest.mark.parametrize("name", FRAMING)
def test_chunks_that_are_all_framing_are_refused(served: Serving, wire: Wire, name: str) -> None:
    before = served.app.disconnects
    wire.send(post("/", "Transfer-Encoding: chunked", "Expect: 100-continue"))
    assert wire.answer()[0] == 100
    wire.send(FRAMING[name])
    assert wire.answer()[0] == 400
    until(lambda: served.app.disconnects == before + 1)


def test_ordinary_chunks_are_accepted(wire: Wire) -> None:
    wire.send(post("/", "Transfer-Encoding: chunked"))
    wire.send(b"40\r\n" + bytes(64) + b"\r\n", *[b"400\r\n" + bytes(1024) + b"\r\n"] * 500, b"0\r\n\r\n")
    status, _, body = wire.answer()
    assert (status, json.loads(body)["bytes"]) == (200, 64 + 500 * 1024)


def test_garbage_after_requests_is_refused_after_their_answers(served: Serving, wire: Wire) -> None:
    served.app.open.clear()
    wire.send(get("/wait"), get("/second"), b"no request\r\n\r\n", get("/lost"))
    until(lambda: served.app.waiting == 1)
    served.app.open.set()
    assert [wire.answer()[2][:6], wire.answer()[0]] == [b"waited", 200]
    assert "HTTP" in refused(wire, 400)
    assert "/lost" not in served.app.seen


def test_a_broken_body_ends_its_request_and_not_the_one_before(served: Serving, wire: Wire) -> None:
    served.app.open.clear()
    wire.send(get("/wait"), post("/broken", "Transfer-Encoding: chunked"), b"zz\r\n")
    until(lambda: served.app.waiting == 1)
    served.app.open.set()
    assert wire.answer()[2] == b"waited"
    refused(wire, 400)
    assert "/broken" not in served.app.seen


def test_requests_that_wait_behind_another_are_limited(served: Serving, wire: Wire) -> None:
    served.app.open.clear()
    wire.send(get("/wait"), *[get("/behind")] * 10_000)
    until(lambda: served.app.waiting == 1)
    served.app.open.set()
    assert wire.answer()[2] == b"waited"
    assert [wire.answer()[0] for _ in range(LIMITS["max_pipelined"])] == [200] * LIMITS["max_pipelined"]
    assert "Wait" in refused(wire, 429)


def test_an_offer_to_change_the_protocol_does_not_cost_the_body(wire: Wire) -> None:
    for offer in ("h2c", "websocket", "TLS/1.0"):
        wire.send(post("/", "Connection: Upgrade", f"Upgrade: {offer}", "Content-Length: 5"), b"image")
        status, _, body = wire.answer()
        assert (status, json.loads(body)["bytes"]) == (200, 5)
    wire.send(get("/", "Connection: close, Upgrade", "Upgrade: h2c"))
    assert wire.answer()[1]["connection"] == "close"
    assert wire.closed()


def test_the_rest_of_a_refused_body_is_dropped(served: Serving, wire: Wire) -> None:
    wire.send(post("/early", "Content-Length: 3000000"))
    assert wire.answer()[0] == 413
    wire.send(bytes(3_000_000), get("/after"))
    assert json.loads(wire.answer()[2])["path"] == "/after"
    assert served.server.connections.uploading == 0


@pytest.mark.parametrize(
    "head", [b"POST /early HTTP/1.0\r\n", b"POST /early HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"]
)
def test_who_closes_after_one_request_reads_an_early_answer(served: Serving, wire: Wire, head: bytes) -> None:
    """A socket that is closed with unread bytes is reset, and an answer on its way is lost: nginx asks in this way."""
    wire.send(head, b"Content-Length: 8000000\r\n\r\n")
    wire.socket.recv(1, socket.MSG_PEEK)  # the answer is there, and perhaps the connection closed
    wire.send(bytes(8_000_000))
    assert wire.answer()[::2] == (413, b"early")
    assert wire.closed()
    wire.close()
    until(lambda: not served.open)
    assert (served.server.connections.lingering, served.server.connections.uploading) == (0, 0)


def test_nothing_is_begun_behind_a_request_that_closes(served: Serving, wire: Wire) -> None:
    served.app.open.clear()
    wire.send(get("/wait", "Connection: close"), post("/early", "Content-Length: 9"))
    until(lambda: served.app.waiting)
    before = served.app.seen.count("/early")
    served.app.open.set()
    assert wire.answer()[::2] == (200, b"waited")
    wire.send(b"123456789")
    assert wire.answer()[0] == 0
    assert served.app.seen.count("/early") == before


def test_a_half_closed_socket_is_a_client_that_is_gone(served: Serving) -> None:
    before = served.app.disconnects
    for data in (b"", b"GET / HT", post("/", "Content-Length: 9") + b"abc"):
        with served.wires(1) as (wire,):
            wire.send(data)
            wire.socket.shutdown(1)
            assert wire.closed()
    until(lambda: served.app.disconnects == before + 1)
    until(lambda: served.open == 0)


PIECES = (
    get("/a"),
    get("/a", "Connection: Upgrade", "Upgrade: h2c"),
    post("/a", "Content-Length: 5") + b"hello",
    post("/a", "Connection: Upgrade", "Upgrade: h2c", "Content-Length: 5") + b"hello",
    post("/a", "Transfer-Encoding: chunked") + b"3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n",
    post("/a", "Expect: 100-continue", "Content-Length: 3") + b"abc",
    post("/early", "Content-Length: 5000") + bytes(100),
    b"GET http://a:b@c:99999/x?y HTTP/1.0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    *(b"\r\n", b"\n", b"\0", b"%", b":", b"\xff", b"Content-Length: -1\r\n", b"ffffffffffffffff\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"CONNECT a:1 HTTP/1.1\r\n\r\n"),
)


def test_no_sequence_of_bytes_leaves_anything_behind(caplog: pytest.LogCaptureFixture) -> None:
    drawn = random.Random(0)
    limits = {"header_s": 0.4, "body_s": 0.4, "rate_grace_s": 0.2, "keep_alive_s": 0.4}
    with serving(**LIMITS, **limits) as served, caplog.at_level(logging.ERROR):
        for _ in range(400):
            data = bytearray(b"".join(drawn.choices(PIECES, k=drawn.randint(1, 5))))
            for _ in range(drawn.randint(0, 3)):
                at = drawn.randrange(len(data))
                data[at : at + drawn.randint(0, 9)] = drawn.choice(PIECES) if drawn.random() < 0.5 else b"x"
            cut = drawn.randrange(len(data) + 1)
            with served.wires(1) as (wire,):
                try:
                    wire.send(bytes(data[:cut]))
                    wire.send(bytes(data[cut:]))
                    if drawn.random() < 0.2:
                        wire.socket.shutdown(socket.SHUT_WR)
                    if drawn.random() < 0.5:
                        wire.socket.settimeout(0.02)
                        wire.socket.recv(65536)
                except OSError:
                    pass
        with served.wires(1) as (wire,):
            wire.send(get("/still"))
            assert wire.answer()[0] == 200
        until(lambda: served.open == 0)
        connections = served.server.connections
        assert (connections.uploading, connections.lingering, served.server.server_state.tasks) == (
            0,
            0,
            set(),
        )
    assert caplog.records == []
