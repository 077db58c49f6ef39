"""Finds the end of an HTTP/1.1 answer and keeps its status; the body is counted and dropped."""

from __future__ import annotations

MAX_HEAD = 64 * 1024
"""Bytes of an answer's header."""


class BrokenAnswerError(Exception):
    """What came is no HTTP/1.1 answer, or its end is missing."""


class AnswerReader:
    """Reads one answer, fed as it arrives."""

    def __init__(self) -> None:
        self.status = 0
        self.retry_after = 0.0
        """Seconds, from the header of that name; 0 without it."""
        self.body_bytes = 0
        """Bytes of the body as sent, without the marks of chunks."""
        self.closes = False
        """Whether the server closes the connection after this answer."""
        self._buffer = bytearray()
        self._in_body = False
        self._chunked = False
        self._left: int | None = 0
        """Bytes missing of the body, or of the chunk; None: the body ends with the connection."""

    @property
    def ends_with_connection(self) -> bool:
        """Whether a closed connection is this answer's end."""
        return self._in_body and not self._chunked and self._left is None

    def feed(self, data: bytes) -> bool:
        """Takes what has arrived.

        Returns:
            Whether the answer is complete.

        Raises:
            BrokenAnswerError: It is no HTTP/1.1 answer.
        """
        if self._in_body and not self._chunked:
            return self._count(len(data))
        self._buffer += data
        while not self._in_body:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEAD:
                    raise BrokenAnswerError("the header has no end")
                return False
            head = bytes(self._buffer[:end])
            del self._buffer[: end + 4]
            self._read_head(head)
        if self._chunked:
            return self._read_chunks()
        taken = len(self._buffer)
        self._buffer.clear()
        return self._count(taken)

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            raise BrokenAnswerError(f"this is no answer: {first[:80]!r}")
        status = int(parts[1])
        if status < 200:  # 100 Continue and the like: the answer itself follows
            return
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        self.status, self._in_body = status, True
        wait = headers.get("retry-after", "")
        self.retry_after = float(wait) if wait.isdigit() else 0.0
        self.closes = headers.get("connection", "").lower() == "close" or parts[0] == "HTTP/1.0"
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length")
        if length is not None and not length.isdigit():
            raise BrokenAnswerError(f"Content-Length is {length[:40]!r}")
        self._left = 0 if status in (204, 304) else None if length is None else int(length)

    def _count(self, taken: int) -> bool:
        self.body_bytes += taken
        if self._left is None:
            return False
        self._left -= taken
        return self._left <= 0

    def _read_chunks(self) -> bool:
        while (end := self._buffer.find(b"\r\n")) >= 0:
            size_text = bytes(self._buffer[:end]).split(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError:
                raise BrokenAnswerError(f"a chunk of size {size_text[:40]!r}") from None
            if size == 0:
                # Trailers, if there are any, end with an empty line as the header does.
                return self._buffer.find(b"\r\n\r\n", end) >= 0 or bytes(self._buffer[end:]) == b"\r\n\r\n"
            if len(self._buffer) < end + 2 + size + 2:
                return False
            self.body_bytes += size
            del self._buffer[: end + 2 + size + 2]
        return False
