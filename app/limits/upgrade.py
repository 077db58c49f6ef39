"""Requests that offer to change the protocol, such as those of ``curl --http2`` and of Java's client."""

from __future__ import annotations

from collections.abc import Iterable


def without_upgrade(method: bytes, url: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of the same request without the offer, which HTTP/1.1 allows to ignore.

    The parser takes what follows the head of such a request for the other protocol, and a body would be lost.

    Args:
        method: The request's method.
        url: Its address as received.
        version: ``1.0`` or ``1.1``.
        headers: Lower-case names and values.
    """
    lines = [b"%s %s HTTP/%s" % (method, url, version.encode())]
    for name, value in headers:
        if name == b"connection":
            lines.append(b"connection: close" if b"close" in value.lower() else b"connection: keep-alive")
        elif name != b"upgrade":
            lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"
