"""What holds for every response: security headers, a count, a log line, and a problem document for a bug."""

from __future__ import annotations

import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import errors
from app.metrics import Metrics

log = logging.getLogger("sge.app")

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
CLIENT_GONE = 499
"""What logs and metrics call a request whose client hung up; nobody receives it."""


class Watch:
    """Counts, times and logs each request, and sets the security headers.

    Bugs end here, within reach of headers, metrics and log: Starlette's own handler for them lies outside
    every middleware.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status: int | None = None

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except ClientDisconnect:
            pass
        except Exception as error:
            log.error("bug", exc_info=error)
            if status is not None:
                raise  # half an answer is out; the server must break the connection
            await errors.fault()(scope, receive, sending)
        finally:
            self._record(scope, CLIENT_GONE if status is None else status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The template, not the path: one that nobody serves must not become a label of its own.
        route = getattr(scope.get("route"), "path", "none")
        self.metrics.requests.labels(route, str(status)).inc()
        self.metrics.latency.labels(route).observe(seconds)
        state = scope.get("state", {})
        reason = state.get("rejected")
        if reason:
            self.metrics.rejected.labels(reason).inc()
        if route.startswith("/api") and not route.endswith(("/live", "/ready", "/metrics")):
            facts = {"method": scope["method"], "route": route, "status": status}
            facts |= {"seconds": round(seconds, 4), **state.get("image", {})}
            log.info("request", extra=facts | ({"rejected": reason} if reason else {}))
