"""Bodies that a client has compressed: decoded while they stream in, within the limits of the decoded bytes."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

CODINGS = ("gzip", "deflate")
"""What is understood (RFC 9110, 8.4.1); ``x-gzip`` is gzip."""
SLICE_BYTES = 256 * 1024
"""Bytes that are decoded before the event loop may do something else: about a millisecond."""
MAX_MEMBERS = 1000
"""Members of a gzip body. A member may be 20 bytes that hold nothing, so their number is bounded beside the bytes."""


class CodingError(Exception):
    """A body is not what ``Content-Encoding`` says."""


def codings_of(values: Sequence[str]) -> list[str]:
    """The content codings of a body that change its bytes, in lower case and in the order of the header."""
    names = [name.strip().lower() for value in values for name in value.split(",")]
    return ["gzip" if name == "x-gzip" else name for name in names if name and name != "identity"]


async def decoded(chunks: AsyncIterator[bytes], coding: str) -> AsyncGenerator[bytes, None]:
    """The decoded body, in pieces of at most ``SLICE_BYTES``; who reads it stops at the limit.

    Args:
        chunks: The body as received.
        coding: One of ``CODINGS``.

    Raises:
        CodingError: The body is damaged, is cut off, or has too many members.
    """
    inflater = Inflater(coding)
    async for chunk in chunks:
        for piece in inflater.feed(chunk):
            yield piece
            await asyncio.sleep(0)
    inflater.finish()


class Inflater:
    """Decodes one body.

    Args:
        coding: One of ``CODINGS``.
    """

    def __init__(self, coding: str) -> None:
        self.coding = coding
        self._decoder: zlib._Decompress | None = None
        self._members = 0
        self._head = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes of the body decode to."""
        if self._decoder is None and self._members == 0:
            data = self._head = self._head + data
            if len(data) < 2:  # too few to tell the two forms of deflate apart
                return
        while data:
            if self._decoder is None:
                if self._members and not data.strip(b"\0"):
                    return  # padding
                self._decoder = self._next(data)
            yield from self._inflate(data)
            data = self._decoder.unused_data
            if self._decoder.eof:
                self._decoder = None

    def _next(self, data: bytes) -> zlib._Decompress:
        self._members += 1
        if self._members > (MAX_MEMBERS if self.coding == "gzip" else 1):
            raise CodingError
        if self.coding == "gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        # The standard's deflate has zlib's header; some clients leave it out.
        has_header = data[0] & 0x0F == 8 and (data[0] * 256 + data[1]) % 31 == 0
        return zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        decoder = self._decoder
        assert decoder is not None
        full = False
        while (data or full) and not decoder.eof:
            try:
                piece = decoder.decompress(data, SLICE_BYTES)
            except zlib.error:
                raise CodingError from None
            data, full = decoder.unconsumed_tail, len(piece) == SLICE_BYTES
            if piece:
                yield piece

    def finish(self) -> None:
        """The body is complete.

        Raises:
            CodingError: It is cut off.
        """
        if self._decoder is not None or self._members == 0:
            raise CodingError
