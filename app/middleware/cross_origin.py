"""Cross-origin resource sharing: what a browser is told about pages of the sites that ``SGE_CORS_ORIGINS`` names."""

from __future__ import annotations

from .headers import NOTES_HEADER, RawHeaders, add_vary

EXPOSED = ", ".join((NOTES_HEADER, "X-Request-ID", "Retry-After", "Inference-Header-Content-Length"))
ACCEPTED = ", ".join(
    (
        "Authorization",
        "Content-Type",
        "Content-Encoding",
        "Inference-Header-Content-Length",
        "X-Request-ID",
        "traceparent",
        "tracestate",
    )
)
PREFLIGHT_S = 600
"""Seconds that a browser may remember what it was told."""


def share(headers: RawHeaders, origin: str, *, anybody: bool) -> None:
    """Adds the headers that let a page of an allowed origin read a response."""
    headers += [
        (b"access-control-allow-origin", b"*" if anybody else origin.encode("latin-1")),
        (b"access-control-expose-headers", EXPOSED.encode("ascii")),
    ]
    if not anybody:
        add_vary(headers, b"Origin")


PREFLIGHT: RawHeaders = [
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (b"access-control-allow-headers", ACCEPTED.encode("ascii")),
    (b"access-control-max-age", str(PREFLIGHT_S).encode("ascii")),
    (b"content-length", b"0"),
]
"""The answer to a browser that asks before it sends, beside the headers of ``share``."""
