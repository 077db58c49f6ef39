"""Each middleware alone, around applications of a few lines."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from app.metrics import Metrics
from app.middleware import HEADERS, RequestMetrics, SecurityHeaders, ServerErrors


class Route:
    """What Starlette's router leaves in the scope."""

    def __init__(self, path: str) -> None:
        self.path = path


def answering(path: str = "/api/v1/thing", status: int = 200, **state: Any) -> ASGIApp:
    """An application that answers every request, as if the router had found ``path``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = Route(path)
        scope.setdefault("state", {}).update(state)
        response = PlainTextResponse("here", status, {"Referrer-Policy": "origin"})
        await response(scope, receive, send)

    return app


def raising(error: Exception, *, after_start: bool = False) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if after_start:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    return app


def test_security_headers_are_added_and_do_not_replace_an_own_value() -> None:
    answer = TestClient(SecurityHeaders(answering())).get("/")
    expected = HEADERS | {"Referrer-Policy": "origin"}
    assert {name: answer.headers[name] for name in HEADERS} == expected


@pytest.mark.parametrize(
    ("ancestors", "policy", "older"),
    [
        (["'none'"], "frame-ancestors 'none'", "DENY"),
        (["'self'"], "frame-ancestors 'self'", "SAMEORIGIN"),
        (["https://a.org"], "frame-ancestors https://a.org", None),
        (["'self'", "https://a.org"], "frame-ancestors 'self' https://a.org", None),
    ],
)
def test_the_two_headers_about_frames_agree(ancestors: list[str], policy: str, older: str | None) -> None:
    answer = TestClient(SecurityHeaders(answering(), ancestors)).get("/")
    assert answer.headers["content-security-policy"].split("; ")[-1] == policy
    assert answer.headers.get("x-frame-options") == older
    changed = {"Content-Security-Policy", "X-Frame-Options", "Referrer-Policy"}
    assert {name: answer.headers[name] for name in HEADERS if name not in changed} == {
        name: value for name, value in HEADERS.items() if name not in changed
    }


def test_requests_are_counted_timed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    with caplog.at_level(logging.INFO, "sge.app"):
        TestClient(RequestMetrics(answering(status=415, rejected="format", image={"bytes": 3}), metrics)).get(
            "/"
        )
    value = metrics.registry.get_sample_value
    assert value("sge_requests_total", {"route": "/api/v1/thing", "status": "415"}) == 1
    assert value("sge_request_seconds_count", {"route": "/api/v1/thing"}) == 1
    assert value("sge_rejected_total", {"reason": "format"}) == 1
    (record,) = [record for record in caplog.records if record.message == "request"]
    assert (record.route, record.status, record.bytes, record.rejected) == ("/api/v1/thing", 415, 3, "format")


@pytest.mark.parametrize("path", ["/", "/static/a.js", "/api/v1/health/live", "/api/v1/metrics"])
def test_pages_and_probes_are_counted_but_not_logged(path: str, caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    with caplog.at_level(logging.INFO, "sge.app"):
        TestClient(RequestMetrics(answering(path), metrics)).get("/")
    assert metrics.registry.get_sample_value("sge_requests_total", {"route": path, "status": "200"}) == 1
    assert [record for record in caplog.records if record.message == "request"] == []


def test_a_request_without_a_response_counts_as_closed_by_the_client() -> None:
    metrics = Metrics()

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = Route("/x")

    with pytest.raises(AssertionError):  # of the test client, which got no response
        TestClient(RequestMetrics(silent, metrics)).get("/")
    assert metrics.registry.get_sample_value("sge_requests_total", {"route": "/x", "status": "499"}) == 1


def test_an_unexpected_exception_is_a_logged_500(caplog: pytest.LogCaptureFixture) -> None:
    answer = TestClient(ServerErrors(raising(RuntimeError("secret")))).get("/")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "secret" in caplog.text


def test_an_exception_in_the_middle_of_a_response_reaches_the_server() -> None:
    with pytest.raises(RuntimeError, match="late"):
        TestClient(ServerErrors(raising(RuntimeError("late"), after_start=True))).get("/")


def test_a_disconnect_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AssertionError):  # of the test client, which got no response
        TestClient(ServerErrors(raising(ClientDisconnect()))).get("/")
    assert caplog.records == [] or "bug" not in caplog.text
