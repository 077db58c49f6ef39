"""Which responses are compressed, and how."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

from starlette.types import Message, Send

from sge.analysis import GZIP, deflated, deflating, has_isal

from .headers import RawHeaders, add_vary, value_of

MIN_BYTES = 1024
"""A smaller body fits into one packet with its headers."""
LEVEL = 4
"""Of zlib, which compresses answers where the package ``isal`` is not installed."""
MAPS_BYTES = 128 * 1024
"""A larger body is mostly maps, as bytes or in base64, and is compressed as maps are; see ``sge.analysis.deflated``."""
THREAD_BYTES = 32 * 1024
"""A larger body is compressed in a thread: the event loop answers others meanwhile."""
_MAPS = b"application/vnd.sge.atlas"
_TYPES = (
    b"text/",
    b"application/json",
    b"application/problem+json",
    b"application/javascript",
    b"application/xml",
    _MAPS,
    b"image/svg+xml",
)
_NO_BODY = (101, 204, 206, 304)


def accepts_gzip(values: Sequence[bytes]) -> bool:
    """Whether ``Accept-Encoding`` allows gzip (RFC 9110, 12.5.3)."""
    return bool(values) and _allows_gzip(values[0] if len(values) == 1 else b",".join(values))


@lru_cache(128)
def _allows_gzip(value: bytes) -> bool:
    qualities = {}
    for entry in value.lower().split(b","):
        coding, _, parameter = entry.partition(b";")
        qualities[coding.strip()] = _quality(parameter)
    quality = qualities.get(b"gzip", qualities.get(b"x-gzip", qualities.get(b"*", 0.0)))
    return quality > 0


def _quality(parameter: bytes) -> float:
    name, _, value = parameter.partition(b"=")
    if name.strip() != b"q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def is_compressible(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a response's type gains from compression and nothing else has compressed it."""
    headers = list(headers)
    kind = value_of(headers, b"content-type")
    return (
        status not in _NO_BODY
        and kind is not None
        and kind.lower().startswith(_TYPES)
        and value_of(headers, b"content-encoding") is None
    )


def is_short(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a response says that its body is too short to be compressed."""
    length = value_of(headers, b"content-length")
    return length is not None and length.isdigit() and int(length) < MIN_BYTES


def gzipped(body: bytes, level: int) -> bytes:
    """A body in gzip's format, without a time stamp: equal bodies give equal bytes."""
    packer = _packer(level)
    return packer.compress(body) + packer.flush()


def _packer(level: int) -> zlib._Compress:
    return zlib.compressobj(level, zlib.DEFLATED, GZIP)


def _gzipped_answer(body: bytes) -> bytes:
    return deflated(body, GZIP) if has_isal() or len(body) > MAPS_BYTES else gzipped(body, LEVEL)


def mark(headers: RawHeaders, length: int | None) -> None:
    """Changes the headers of a response whose body becomes gzip.

    Args:
        headers: Changed in place.
        length: Bytes of the compressed body; None: not known yet.
    """
    kept = [
        (name, value) for name, value in headers if name.lower() not in (b"content-length", b"accept-ranges")
    ]
    for index, (name, value) in enumerate(kept):
        if name.lower() == b"etag" and not value.startswith(b"W/"):
            kept[index] = (name, b"W/" + value)  # other bytes than the strong tag promises
    kept.append((b"content-encoding", b"gzip"))
    if length is not None:
        kept.append((b"content-length", str(length).encode("ascii")))
    headers[:] = kept


class Packing:
    """Holds back the start of a response until its body shows whether compression is worth while.

    Args:
        start: The message that begins the response.
        accepted: Whether the client takes gzip.
        send: Takes the messages of the response.
    """

    def __init__(self, start: Message, accepted: bool, send: Send) -> None:
        self.start: Message | None = start
        self.accepted = accepted
        self.send = send
        self.stream: zlib._Compress | None = None
        add_vary(start["headers"], b"Accept-Encoding")

    async def body(self, message: Message) -> None:
        """Takes one message of the body."""
        data, more = message.get("body", b""), message.get("more_body", False)
        if self.start is not None:
            start, self.start = self.start, None
            if self.accepted and not more and len(data) >= MIN_BYTES:
                packed = await _gzipped(data)
                if len(packed) < len(data):
                    mark(start["headers"], len(packed))
                    message = {**message, "body": packed}
            elif self.accepted and more:
                mark(start["headers"], None)
                self.stream = _stream(start["headers"])
            await self.send(start)
        if self.stream is not None:
            message = {**message, "body": await _part(self.stream, data, more)}
        await self.send(message)


def _stream(headers: RawHeaders) -> zlib._Compress:
    is_maps = value_of(headers, b"content-type") == _MAPS
    return deflating(GZIP) if is_maps or has_isal() else _packer(LEVEL)


async def _part(stream: zlib._Compress, data: bytes, more: bool) -> bytes:
    """A part of a streamed body, for now: it does not wait for the next one."""

    def work() -> bytes:
        return stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH)

    return work() if len(data) < THREAD_BYTES else await asyncio.to_thread(work)


async def _gzipped(data: bytes) -> bytes:
    return (
        _gzipped_answer(data) if len(data) < THREAD_BYTES else await asyncio.to_thread(_gzipped_answer, data)
    )
