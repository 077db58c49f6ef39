"""Which request it is: the id in logs and problems, and the trace that the request belongs to."""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from dataclasses import dataclass

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
"""An id of the client or of a proxy that is kept; any other is replaced."""
TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
"""W3C Trace Context, section 3.2: version, trace id, parent id, flags; later versions may have more."""


@dataclass(frozen=True, slots=True)
class TraceParent:
    """The span of another program that this request is part of."""

    trace_id: str
    span_id: str
    flags: int


@dataclass(slots=True)
class Identity:
    """A request's id, and its trace if it has one."""

    request_id: str
    trace_id: str | None = None
    parent: TraceParent | None = None

    @property
    def members(self) -> dict[str, str]:
        """The ids as members of a log line or of a problem document."""
        ids = {"request_id": self.request_id}
        return ids | {"trace_id": self.trace_id} if self.trace_id else ids


CURRENT: ContextVar[Identity | None] = ContextVar("sge_request", default=None)
"""The request that the running task answers."""


def identify(request_id: bytes | None, traceparent: bytes | None) -> Identity:
    """The identity of a request.

    Args:
        request_id: Value of ``X-Request-ID``; one that is missing or is no plain text is replaced by 32 random digits.
        traceparent: Value of ``traceparent``; one that is not valid counts as missing.
    """
    given = request_id if request_id is not None and REQUEST_ID.fullmatch(request_id) else None
    parent = _parent(traceparent) if traceparent else None
    return Identity(
        given.decode("ascii") if given else os.urandom(16).hex(), parent.trace_id if parent else None, parent
    )


def _parent(traceparent: bytes) -> TraceParent | None:
    match = TRACEPARENT.fullmatch(traceparent.strip())
    if match is None or (match[1] == b"00" and match[5]):
        return None
    trace_id, span_id = match[2].decode(), match[3].decode()
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceParent(trace_id, span_id, int(match[4], 16))


def members() -> dict[str, str]:
    """The ids of the request that the running task answers; empty outside of a request."""
    identity = CURRENT.get()
    return {} if identity is None else identity.members
