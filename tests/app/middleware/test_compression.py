"""Compressed answers: what is compressed, for whom, and that it is the same answer."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.middleware.compression import MAPS_BYTES, MIN_BYTES, THREAD_BYTES, Packing, accepts_gzip
from tests.app.middleware.asking import answering, client

LONG = b"the same words again and again. " * 400


def raw(app: Any, **headers: str) -> tuple[dict[str, str], bytes]:
    """Headers and undecoded body of an answer."""
    with client(app).stream("GET", "/", headers={"Accept-Encoding": "gzip"} | headers) as answer:
        return dict(answer.headers), b"".join(answer.iter_raw())


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br, gzip;q=0.1", True),
        ("gzip ; q=1", True),
        ("*", True),
        ("*;q=0.5, br", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("gzip;q=x", False),
        ("gzip;q=nan", False),
        ("gzip;q=-1", False),
        ("br, deflate", False),
        ("identity", False),
        ("notgzip", False),
        ("", False),
    ],
)
def test_who_takes_gzip(value: str, accepted: bool) -> None:
    assert accepts_gzip([value.encode()]) is accepted


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=3))
def test_no_header_breaks_the_reading(values: list[bytes]) -> None:
    assert accepts_gzip(values) in (True, False)


@pytest.mark.parametrize(
    "kind",
    [
        "text/html; charset=utf-8",
        "application/json",
        "application/problem+json",
        "application/vnd.sge.atlas",
        "image/svg+xml",
        "Text/CSS",
    ],
)
def test_text_and_maps_are_compressed(kind: str) -> None:
    headers, body = raw(answering(body=LONG, kind=kind))
    assert headers["content-encoding"] == "gzip"
    assert headers["content-length"] == str(len(body))
    assert len(body) < len(LONG) / 10
    assert gzip.decompress(body) == LONG
    assert headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "kind", ["image/png", "image/jpeg", "application/zip", "application/octet-stream", "font/woff2"]
)
def test_what_is_compressed_already_is_left_alone(kind: str) -> None:
    headers, body = raw(answering(body=LONG, kind=kind))
    assert body == LONG
    assert "content-encoding" not in headers
    assert "vary" not in headers


def test_so_is_what_a_route_has_compressed_and_what_is_short_or_grows() -> None:
    packed = gzip.compress(LONG)
    own = answering(body=packed, kind="text/css", headers={"Content-Encoding": "gzip"})
    assert raw(own)[1] == packed
    noise = np.random.default_rng(0).bytes(5000)
    for body in (LONG[: MIN_BYTES - 1], b"", noise):
        headers, sent = raw(answering(body=body))
        assert sent == body
        assert "content-encoding" not in headers
        assert headers["vary"] == "Accept-Encoding"


def test_a_client_that_does_not_take_it_gets_the_plain_body() -> None:
    headers, body = raw(answering(body=LONG), **{"Accept-Encoding": "identity"})
    assert body == LONG
    assert headers["vary"] == "Accept-Encoding"
    assert headers["content-length"] == str(len(LONG))


@pytest.mark.parametrize("status", [204, 206, 304])
def test_parts_and_answers_without_a_body_are_not_touched(status: int) -> None:
    headers, body = raw(answering(status=status, body=LONG if status == 206 else b"", kind="text/plain"))
    assert "content-encoding" not in headers
    assert len(body) in (0, len(LONG))


def test_tags_and_other_variations_survive() -> None:
    headers, _ = raw(
        answering(body=LONG, headers={"ETag": '"a"', "Vary": "Origin", "Accept-Ranges": "bytes"})
    )
    assert headers["etag"] == 'W/"a"'
    assert headers["vary"] == "Origin, Accept-Encoding"
    assert "accept-ranges" not in headers


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=5), st.booleans())
def test_a_stream_is_the_same_stream(parts: list[bytes], accepted: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def pieces() -> Any:
            for part in parts:
                yield part

        await StreamingResponse(pieces(), media_type="text/plain")(scope, receive, send)

    with client(app).stream(
        "GET", "/", headers={"Accept-Encoding": "gzip" if accepted else "identity"}
    ) as answer:
        body = b"".join(answer.iter_raw())
    if answer.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
        assert "content-length" not in answer.headers
    assert body == b"".join(parts)


@pytest.mark.parametrize("kind", ["text/plain", "application/vnd.sge.atlas"])
def test_each_part_of_a_stream_can_be_read_when_it_has_come(kind: str) -> None:
    parts = [LONG, LONG * (2 * THREAD_BYTES // len(LONG)), b"end"]
    arrived: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def keep(message: Any) -> None:
            arrived.append(message.get("body", b""))
            await send(message)

        packing = Packing({"type": "http.response.start", "status": 200, "headers": headers}, True, keep)
        for part in parts:
            await packing.body({"type": "http.response.body", "body": part, "more_body": part != b"end"})

    headers = [(b"content-type", kind.encode())]
    client(app).get("/")
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert [reader.decompress(packed) for packed in arrived[1:]] == parts


@pytest.mark.parametrize("size", [THREAD_BYTES - 1, THREAD_BYTES, MAPS_BYTES + 1, 3_000_000])
def test_every_size_gives_the_body(size: int) -> None:
    body = (LONG * (size // len(LONG) + 1))[:size]
    headers, packed = raw(answering(body=body, kind="application/json"))
    assert gzip.decompress(packed) == body
    assert headers["content-length"] == str(len(packed))
    assert packed == raw(answering(body=body, kind="application/json"))[1]  # no time stamp
