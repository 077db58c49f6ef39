"""Answers of the protocol itself: to requests that never reach the application."""

from __future__ import annotations

import http
import json
from dataclasses import dataclass
from functools import cached_property

from ..errors import MEDIA_TYPE, body
from ..middleware import HEADERS


@dataclass(frozen=True)
class Refusal:
    """Why a connection is answered by the protocol and then closed."""

    status: int
    reason: str
    """One word for log and metrics."""
    detail: str
    """Sentences that say what is wrong and what to do next."""
    retry_after_s: int | None = None

    @cached_property
    def answer(self) -> bytes:
        """The whole HTTP/1.1 response: a problem document, after which the connection closes."""
        content = json.dumps(body(self.status, self.detail)).encode()
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(content)),
            "Connection": "close",
            **({} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}),
            **HEADERS,
        }
        lines = [f"HTTP/1.1 {self.status} {http.HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + content


class RefusedError(Exception):
    """Raised in a callback of the parser, which then stops reading."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


NO_HTTP = Refusal(
    400,
    "syntax",
    "This is not a valid HTTP/1.1 request. Use an HTTP library or curl, and http:// unless a proxy in front of the "
    "service offers https://.",
)
TUNNEL = Refusal(501, "tunnel", "The service is no proxy. Send the request itself, without CONNECT.")
PIPELINED = Refusal(
    429, "pipelined", "Too many requests were sent before the first was answered. Wait for the answers.", 1
)
UPLOADS = Refusal(
    503,
    "uploads",
    "Too much is being uploaded at the moment, and this upload is slow. Send it again in 5 s.",
    5,
)
STOPPING = Refusal(503, "stopping", "The service is shutting down. Send the request again in 10 s.", 10)
CHUNKS = Refusal(
    400,
    "chunks",
    "The body's chunks are nearly all framing. Send larger chunks, without extensions, or a Content-Length.",
)


def long_head(limit: int) -> Refusal:
    """431: the head has too many bytes."""
    return Refusal(
        431,
        "header_bytes",
        f"The request's headers are longer than {limit} bytes. Send fewer or smaller headers or cookies.",
    )


def many_headers(limit: int) -> Refusal:
    """431: too many headers."""
    return Refusal(
        431, "headers", f"The request has more than {limit} headers. Send fewer headers or cookies."
    )


def long_url(limit: int) -> Refusal:
    """414."""
    return Refusal(
        414,
        "url",
        f"The request's address is longer than {limit} bytes. Shorten it; an image belongs in the body.",
    )


def slow_head(limit_s: float) -> Refusal:
    """408: the head was not complete in time."""
    return Refusal(
        408,
        "header_time",
        f"The request's headers did not arrive within {limit_s:g} s. Send the request again.",
    )


def slow_body(what: str, reason: str) -> Refusal:
    """408: the body came too slowly.

    Args:
        what: How slowly, as the end of a sentence.
        reason: One word for log and metrics.
    """
    return Refusal(
        408, reason, f"The request's body {what}. Send it again over a faster connection, or a smaller image."
    )


def many_connections(limit: int) -> Refusal:
    """503: no connection is free."""
    return Refusal(
        503, "connections", f"All {limit} connections of the service are in use. Try again in 2 s.", 2
    )


def many_of_address(limit: int) -> Refusal:
    """429: one address has too many connections."""
    return Refusal(
        429,
        "address",
        f"Your address has {limit} connections open, the most that one may have. Use fewer at a time and keep them "
        "open for the next request. A proxy in front of the service belongs in SGE_TRUSTED_PROXIES.",
        2,
    )
