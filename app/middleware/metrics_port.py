"""Metrics on a port of their own, which needs no key and should not be reachable from outside."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from .. import errors
from ..metrics import CONTENT_TYPE, Metrics
from ..settings import Settings

PATHS = ("/metrics", "/api/v1/metrics")


class MetricsPort:
    """Tells the two ports apart: one answers only metrics, the other everything else.

    Args:
        settings: ``metrics_port``; 0: there is one port for everything.
        metrics: What is answered.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.port = settings.metrics_port
        self.metrics = metrics

    def of(self, scope: Scope, path: str) -> ASGIApp | None:
        """What answers a request because of its port; None: whatever its address names."""
        if not self.port:
            return None
        server = scope.get("server")
        if server is not None and server[1] == self.port:
            if scope["method"] == "GET" and path in PATHS:
                return Response(self.metrics.text(), media_type=CONTENT_TYPE)
            return errors.response(404, "This port answers GET /metrics and nothing else.")
        if path in PATHS:
            return errors.response(404, "The metrics of this service are on a port of their own.")
        return None
