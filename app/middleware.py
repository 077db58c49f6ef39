"""Four ASGI middlewares, one job each: security headers, metrics with the access log, notes, and server errors."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import errors
from .metrics import Metrics

log = logging.getLogger("sge.app")

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
CLIENT_CLOSED_REQUEST = 499
"""Status in logs and metrics of a request whose client disconnected; no client receives it."""
UNLOGGED = ("/live", "/ready", "/metrics")
"""Routes that a supervisor polls: they would fill the access log."""


class SecurityHeaders:
    """Adds the security headers to every response."""

    def __init__(self, app: ASGIApp, frame_ancestors: Sequence[str] = ("'none'",)) -> None:
        self.app = app
        self.headers = security_headers(frame_ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class RequestMetrics:
    """Counts and times every request, and writes the access log of the REST API."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = CLIENT_CLOSED_REQUEST  # until a response begins

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's template, not the path: an unknown path must not become a label of its own.
        route = getattr(scope.get("route"), "path", "none")
        self.metrics.requests.labels(route, str(status)).inc()
        self.metrics.latency.labels(route).observe(seconds)
        state = scope.get("state", {})
        reason = state.get("rejected")
        if reason:
            self.metrics.rejected.labels(reason).inc()
        if route.startswith("/api") and not route.endswith(UNLOGGED):
            facts = {"method": scope["method"], "route": route, "status": status}
            facts |= {"seconds": round(seconds, 4), **state.get("image", {})}
            log.info("request", extra=facts | ({"rejected": reason} if reason else {}))


class ImageNotes:
    """Adds the decoder's notes on an image to the headers of its answer, because most bodies have no room for them.

    The header's value is a JSON list of sentences, percent-encoded because headers hold ASCII only.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def send_with_notes(message: Message) -> None:
            if message["type"] == "http.response.start":
                notes = scope.get("state", {}).get("notes")
                if notes:
                    MutableHeaders(scope=message)[NOTES_HEADER] = _encoded(notes)
            await send(message)

        await self.app(scope, receive, send_with_notes)


def _encoded(notes: Sequence[str]) -> str:
    """As many of the notes as a header may hold, the first ones first."""
    kept = list(notes)
    while kept and len(quote(json.dumps(kept))) > MAX_NOTES_LENGTH:
        kept.pop()
    return quote(json.dumps(kept))


class ServerErrors:
    """Turns an unexpected exception into a logged 500, and ends a request whose client disconnected.

    Starlette's own handler of unexpected exceptions is outside of every middleware, so its response would have
    neither the security headers nor an entry in metrics and log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        responding = False

        async def send_and_note(message: Message) -> None:
            nonlocal responding
            responding = responding or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except ClientDisconnect:
            pass
        except Exception as error:
            log.error("bug", exc_info=error)
            if responding:
                raise  # part of a response is sent, so the server must close the connection
            await errors.server_error()(scope, receive, send)
