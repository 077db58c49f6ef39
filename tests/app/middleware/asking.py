"""Requests to the middleware alone, around applications of a few lines."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from app.main import create_app
from app.metrics import Metrics
from app.middleware import Edge
from app.settings import Settings


class Route:
    """What Starlette's router leaves in the scope."""

    def __init__(self, path: str) -> None:
        self.path = path


def answering(
    path: str = "/api/v1/thing",
    status: int = 200,
    body: bytes | str = "here",
    kind: str = "text/plain",
    headers: dict[str, str] | None = None,
    **state: Any,
) -> ASGIApp:
    """An application that answers every request, as if the router had found ``path``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = Route(path)
        scope.setdefault("state", {}).update(state)
        response = Response(body, status, {"Referrer-Policy": "origin"} | (headers or {}), kind)
        await response(scope, receive, send)

    return app


def edge(app: ASGIApp | None = None, metrics: Metrics | None = None, **settings: Any) -> Edge:
    """The middleware with these settings."""
    return Edge(app or answering(), Settings(**{"allowed_hosts": "*"} | settings), metrics or Metrics())


def client(app: ASGIApp | None = None, url: str = "http://testserver", **settings: Any) -> TestClient:
    """A client of the middleware."""
    return TestClient(edge(app, **settings), base_url=url, follow_redirects=False)


def fresh(**settings: Any) -> TestClient:
    """A client of the whole application, whose models are not loaded."""
    app = create_app(Settings(**{"allowed_hosts": "*"} | settings))
    return TestClient(app, follow_redirects=False)
