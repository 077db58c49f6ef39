"""What is written down about every request: metrics, and the access log of the REST API."""

from __future__ import annotations

import logging
from typing import Any

from starlette.types import Scope

from ..metrics import Metrics

log = logging.getLogger("sge.app")
CLIENT_CLOSED_REQUEST = 499
"""Status in logs and metrics of a request whose client disconnected; no client receives it."""
UNLOGGED = ("/live", "/ready", "/metrics")
"""Routes that a supervisor polls: they would fill the access log."""
LOGGED = ("/api", "/v2")


def record(metrics: Metrics, scope: Scope, method: str, status: int, seconds: float) -> None:
    """Counts and times a request, and logs it if it is one of the API.

    Args:
        metrics: Of the application.
        scope: After the application has handled it.
        method: HTTP method of the request.
        status: HTTP status of the response.
        seconds: From the first byte in to the last byte out.
    """
    # The route's template, not the path: an unknown path must not become a label of its own.
    route = getattr(scope.get("route"), "path", "none")
    metrics.requests.labels(route, str(status)).inc()
    metrics.latency.labels(route).observe(seconds)
    state = scope.get("state", {})
    reason = state.get("rejected")
    if reason:
        metrics.rejected.labels(reason).inc()
    if route.startswith(LOGGED) and not route.endswith(UNLOGGED):
        facts: dict[str, Any] = {"method": method, "route": route, "status": status}
        facts |= {"seconds": round(seconds, 4), **state.get("image", {})}
        log.info("request", extra=facts | ({"rejected": reason} if reason else {}))
