"""The headers of a request that the middleware reads, collected in one pass."""

from __future__ import annotations

from collections.abc import Iterable


class RequestHeaders:
    """Values of the headers that matter before routing; a header that is sent twice has two values."""

    __slots__ = (
        "accept_encoding",
        "authorization",
        "fetch_site",
        "host",
        "origin",
        "request_id",
        "requested_method",
        "traceparent",
    )

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.host: list[bytes] = []
        self.origin: list[bytes] = []
        self.fetch_site: list[bytes] = []
        self.authorization: list[bytes] = []
        self.accept_encoding: list[bytes] = []
        self.request_id: list[bytes] = []
        self.traceparent: list[bytes] = []
        self.requested_method: list[bytes] = []
        for name, value in headers:
            slot = _SLOTS.get(name)
            if slot is not None:
                getattr(self, slot).append(value)


_SLOTS = {
    b"host": "host",
    b"origin": "origin",
    b"sec-fetch-site": "fetch_site",
    b"authorization": "authorization",
    b"accept-encoding": "accept_encoding",
    b"x-request-id": "request_id",
    b"traceparent": "traceparent",
    b"access-control-request-method": "requested_method",
}
