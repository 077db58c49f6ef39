"""The reader finds an answer's end wherever its bytes are cut; Python's own client is the reference."""

from __future__ import annotations

import http.client
import io
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.bench.service.answers import AnswerReader, BrokenAnswerError

ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe\r\n\r\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
]


class Stream:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, mode):
        return io.BytesIO(self.data)


def reference(data: bytes) -> tuple[int, int, str | None]:
    answer = http.client.HTTPResponse(Stream(data), method="POST")
    answer.begin()
    return answer.status, len(answer.read()), answer.getheader("Retry-After")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 120)))
def test_every_cut_gives_what_the_reference_reads(data, cuts):
    reader = AnswerReader()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[left:right] for left, right in pairwise(edges)]
    complete = [reader.feed(piece) for piece in pieces]
    status, length, wait = reference(data)
    assert complete[-1]
    assert not any(complete[:-1])
    assert (reader.status, reader.body_bytes, reader.retry_after) == (status, length, float(wait or 0))


def test_a_preliminary_answer_is_passed_over():
    reader = AnswerReader()
    assert not reader.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert reader.feed(ANSWERS[0])
    assert reader.status == 200


def test_without_a_length_the_closed_connection_is_the_end():
    reader = AnswerReader()
    assert not reader.feed(b"HTTP/1.0 200 OK\r\n\r\nhel")
    assert not reader.feed(b"lo")
    assert reader.ends_with_connection
    assert reader.closes
    assert reader.body_bytes == 5


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
    ],
)
def test_what_is_no_answer_is_refused(data):
    with pytest.raises(BrokenAnswerError):
        AnswerReader().feed(data)
