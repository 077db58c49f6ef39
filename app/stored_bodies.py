"""Bodies that stay the same: with an entity tag, and compressed once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fastapi import Request, Response

from .middleware.compression import MIN_BYTES, accepts_gzip, gzipped

LEVEL = 9
"""It is compressed once and sent often."""
REVALIDATE = "no-cache"
"""``Cache-Control`` of what may change under its address: a cache keeps it and asks whether it is still right."""


@dataclass(frozen=True)
class StoredBody:
    """A body, and its compressed form if that is smaller."""

    data: bytes
    media_type: str
    packed: bytes | None
    tag: str
    """A weak entity tag: the two forms have the same content and not the same bytes."""

    @staticmethod
    def of(data: bytes, media_type: str, *, compress: bool = True) -> StoredBody:
        """The stored form of a body."""
        packed = gzipped(data, LEVEL) if compress and len(data) >= MIN_BYTES else None
        smaller = packed if packed is not None and len(packed) < len(data) else None
        return StoredBody(data, media_type, smaller, f'W/"{hashlib.sha256(data).hexdigest()[:32]}"')

    def response(self, request: Request, cache: str = REVALIDATE) -> Response:
        """The answer to a request: the body as the client takes it, or 304 if the client has it.

        Args:
            request: Its ``Accept-Encoding`` and ``If-None-Match`` are read.
            cache: Value of ``Cache-Control``.
        """
        headers = {"Cache-Control": cache, "ETag": self.tag}
        if self.packed is not None:
            headers["Vary"] = "Accept-Encoding"
        if _has(request.headers.get("if-none-match"), self.tag):
            return Response(status_code=304, headers=headers)
        accepted = [value.encode("latin-1") for value in request.headers.getlist("accept-encoding")]
        if self.packed is not None and accepts_gzip(accepted):
            return Response(
                self.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=self.media_type
            )
        return Response(self.data, headers=headers, media_type=self.media_type)


def _has(given: str | None, tag: str) -> bool:
    """Whether ``If-None-Match`` names the tag, by weak comparison (RFC 9110, 13.1.2)."""
    if given is None:
        return False
    names = [name.strip().removeprefix("W/") for name in given.split(",")]
    return names == ["*"] or tag.removeprefix("W/") in names
