from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import errors
from app.identity import identify
from app.logs import JsonLines
from app.metrics import Metrics
from app.middleware import HEADERS, security_headers
from tests.app.asking import check_problem
from tests.app.middleware.asking import Route, answering, client, edge

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def raising(error: Exception, *, after_start: bool = False) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if after_start:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    return app


def test_security_headers_are_added_and_do_not_replace_an_own_value() -> None:
    answer = client().get("/")
    expected = HEADERS | {"Referrer-Policy": "origin"}
    assert {name: answer.headers[name] for name in HEADERS} == expected
    assert len(answer.headers.get_list("referrer-policy")) == 1


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
    headers = client(frame_ancestors=ancestors).get("/").headers
    assert headers["content-security-policy"].split("; ")[-1] == policy
    assert headers.get("x-frame-options") == older
    changed = {"Content-Security-Policy", "X-Frame-Options"}
    plain = security_headers(ancestors)
    assert {name: plain[name] for name in HEADERS if name not in changed} == {
        name: value for name, value in HEADERS.items() if name not in changed
    }


def test_requests_are_counted_timed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    app = answering(status=415, rejected="format", image={"bytes": 3})
    lines: list[str] = []
    caplog.handler.addFilter(lambda record: bool(lines.append(JsonLines().format(record))) or True)
    with caplog.at_level(logging.INFO, "sge.app"):
        client(app, metrics=metrics).head("/")
    value = metrics.registry.get_sample_value
    assert value("sge_requests_total", {"route": "/api/v1/thing", "status": "415"}) == 1
    assert value("sge_request_seconds_count", {"route": "/api/v1/thing"}) == 1
    assert value("sge_rejected_total", {"reason": "format"}) == 1
    (record,) = [record for record in caplog.records if record.message == "request"]
    facts = record.method, record.route, record.status, record.bytes, record.rejected
    assert facts == ("HEAD", "/api/v1/thing", 415, 3, "format")
    assert (
        len(json.loads(lines[-1])["request_id"]) == 32
    )  # the formatter adds it while the request is answered


@pytest.mark.parametrize("path", ["/", "/static/a.js", "/api/v1/health/live", "/api/v1/metrics"])
def test_pages_and_probes_are_counted_but_not_logged(path: str, caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    with caplog.at_level(logging.INFO, "sge.app"):
        client(answering(path), metrics=metrics).get("/")
    assert metrics.registry.get_sample_value("sge_requests_total", {"route": path, "status": "200"}) == 1
    assert [record for record in caplog.records if record.message == "request"] == []


def test_a_request_without_a_response_counts_as_closed_by_the_client() -> None:
    metrics = Metrics()

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = Route("/x")

    with pytest.raises(AssertionError):  # of the test client, which got no response
        client(silent, metrics=metrics).get("/")
    assert metrics.registry.get_sample_value("sge_requests_total", {"route": "/x", "status": "499"}) == 1


def test_an_unexpected_exception_is_a_logged_500(caplog: pytest.LogCaptureFixture) -> None:
    problem = check_problem(client(raising(RuntimeError("secret"))).get("/"), 500)
    assert "secret" not in str(problem)
    assert "secret" in caplog.text


def test_an_exception_in_the_middle_of_a_response_reaches_the_server() -> None:
    with pytest.raises(RuntimeError, match="late"):
        client(raising(RuntimeError("late"), after_start=True)).get("/")


def test_a_disconnect_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AssertionError):  # of the test client, which got no response
        client(raising(ClientDisconnect())).get("/")
    assert caplog.records == [] or "bug" not in caplog.text


# HEAD


@pytest.mark.parametrize("kind", ["text/plain", "image/png"])
@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_head_is_get_without_its_body(kind: str, coding: str) -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["method"])
        await answering(body=b"x" * 5000, kind=kind)(scope, receive, send)

    asking = client(app)
    got, head = (
        asking.request(method, "/", headers={"Accept-Encoding": coding, "X-Request-ID": "1"})
        for method in ("GET", "HEAD")
    )
    assert head.content == b""
    assert len(got.content) == 5000
    assert dict(head.headers) == dict(got.headers)
    assert seen == ["GET", "GET"]


# Identity


@pytest.mark.parametrize("given", ["abc", "7f0c-1/2:3+4=", "a" * 128])
def test_a_request_id_of_the_client_is_kept(given: str) -> None:
    assert client().get("/", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", [b"", b"a b", b"a" * 129, b"\xff", b'"', b"<script>", b"a\tb", b"%0d%0a"])
def test_any_other_is_replaced(given: bytes) -> None:
    asking = client()
    ids = {asking.get("/", headers={b"X-Request-ID": given}).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in ids)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.none(), st.binary(max_size=150)), st.one_of(st.none(), st.binary(max_size=80)))
def test_no_bytes_break_the_identity_or_the_log(request_id: bytes | None, parent: bytes | None) -> None:
    identity = identify(request_id, parent)
    assert 1 <= len(identity.request_id) <= 128
    assert identity.request_id.isascii()
    assert identity.request_id.isprintable()
    assert identity.trace_id is None or len(identity.trace_id) == 32


@pytest.mark.parametrize(
    ("parent", "trace"),
    [
        (PARENT, PARENT[3:35]),
        ("cc" + PARENT[2:] + "-what-comes-later", PARENT[3:35]),
        (PARENT + "-more", None),
        ("ff" + PARENT[2:], None),
        (PARENT.replace(PARENT[3:35], "0" * 32), None),
        (PARENT.replace(PARENT[36:52], "0" * 16), None),
        (PARENT.upper(), None),
        (PARENT[:-1], None),
        ("", None),
    ],
)
def test_a_trace_is_that_of_the_specification(parent: str, trace: str | None) -> None:
    assert identify(None, parent.encode()).trace_id == trace


def test_problems_and_logs_carry_the_ids(caplog: pytest.LogCaptureFixture) -> None:
    lines: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = Route("/api/v1/thing")
        record = logging.makeLogRecord({"msg": "inner"})
        lines.append(json.loads(JsonLines().format(record)))
        await errors.response(422, "This is wrong.")(scope, receive, send)

    answer = client(app).get("/", headers={"X-Request-ID": "mine", "traceparent": PARENT})
    ids = {"request_id": "mine", "trace_id": PARENT[3:35]}
    assert ids.items() <= check_problem(answer, 422).items()
    assert ids.items() <= lines[0].items()
    outside = json.loads(JsonLines().format(logging.makeLogRecord({"msg": "outer"})))
    assert not ids.keys() & outside.keys()


# The path below which a proxy offers the service


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/lens/a", "/lens/a"),
        ("/a", "/lens/a"),
        ("/", "/lens/"),
        ("/lensing", "/lens/lensing"),
    ],
)
def test_a_proxy_may_keep_the_root_path_or_take_it_off(path: str, seen: str) -> None:
    found: dict[str, Any] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.update(scope)
        await answering()(scope, receive, send)

    client(app, root_path="/lens").get(path)
    assert (found["path"], found["root_path"]) == (seen, "/lens")


def test_the_page_gets_the_slash_that_its_addresses_need() -> None:
    answer = client(root_path="/lens").get("/lens")
    assert (answer.status_code, answer.headers["location"]) == (308, "/lens/")


# Metrics on a port of their own


def test_each_port_answers_its_own() -> None:
    metrics = Metrics()
    app = edge(metrics=metrics, metrics_port=9100, api_key="secret", allowed_hosts="a.org")
    inner = TestClient(app, base_url="http://10.0.0.7:9100")
    answer = inner.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"sge_requests" in answer.content
    check_problem(inner.get("/api/v1/models"), 404)
    check_problem(inner.post("/metrics"), 404)
    outer = TestClient(app, base_url="http://a.org", headers={"Authorization": "Bearer secret"})
    assert outer.get("/").text == "here"
    check_problem(outer.get("/api/v1/metrics"), 404)
    check_problem(TestClient(app, base_url="http://b.org").get("/"), 421)


def test_other_messages_pass() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])
        message: Message = {"type": "lifespan.startup.complete"}
        await send(message)
        await send({"type": "lifespan.shutdown.complete"})

    with TestClient(edge(app)):
        pass
    assert seen == ["lifespan"]
