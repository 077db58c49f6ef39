"""The headers that every response has: security headers, and the decoder's notes on an image."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

RawHeaders = list[tuple[bytes, bytes]]
"""Names in lower case, and values, as ASGI has them."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "font-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
)
"""The directives that no setting changes."""


def security_headers(frame_ancestors: Sequence[str] = ("'none'",)) -> dict[str, str]:
    """The headers of every response.

    Args:
        frame_ancestors: Sources of CSP's ``frame-ancestors``, such as ``'self'`` or ``https://example.org``: the sites
            whose pages may show this one in a frame. By default no site.
    """
    sources = " ".join(frame_ancestors)
    headers = {
        "Content-Security-Policy": "; ".join((*CONTENT_SECURITY_POLICY, f"frame-ancestors {sources}")),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    }
    # The older header cannot name other sites. Where they are allowed it must be absent, or browsers that do not know
    # frame-ancestors would refuse them.
    older = {"'none'": "DENY", "'self'": "SAMEORIGIN"}.get(sources)
    return headers | ({"X-Frame-Options": older} if older else {})


HEADERS = security_headers()
"""The headers with the default settings."""
NOTES_HEADER = "X-SGE-Notes"
MAX_NOTES_LENGTH = 4000
"""Characters of the header's value; many clients and proxies refuse headers above 8 KiB."""


def raw(headers: Mapping[str, str]) -> RawHeaders:
    """Headers as ASGI has them."""
    return [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]


def add_missing(headers: RawHeaders, more: Iterable[tuple[bytes, bytes]]) -> None:
    """Adds those of ``more`` whose names are not in ``headers``."""
    present = {name.lower() for name, _ in headers}
    headers.extend(pair for pair in more if pair[0] not in present)


def value_of(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The first value of a header, or None."""
    return next((value for key, value in headers if key.lower() == name), None)


def add_vary(headers: RawHeaders, field: bytes) -> None:
    """Adds a request header's name to ``Vary``."""
    for index, (name, value) in enumerate(headers):
        if name.lower() == b"vary":
            if field.lower() not in value.lower() and value.strip() != b"*":
                headers[index] = (name, value + b", " + field)
            return
    headers.append((b"vary", field))


def encoded_notes(notes: Sequence[str]) -> bytes:
    """Notes on an image as a header's value: a JSON list of sentences, percent-encoded because headers hold ASCII only.

    Most bodies have no room for them. As many are kept as a header may hold, the first ones first.
    """
    kept = list(notes)
    while kept and len(quote(json.dumps(kept))) > MAX_NOTES_LENGTH:
        kept.pop()
    return quote(json.dumps(kept)).encode("ascii")
