"""Spans of requests, read from memory; and that nothing of it is needed."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.metrics import Metrics
from app.middleware import Edge
from app.settings import Settings
from app.tracing import MissingExtraError, Tracing, tracing_to
from tests.app.middleware.asking import answering

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
export = pytest.importorskip("opentelemetry.sdk.trace.export", reason="no opentelemetry-sdk here")


@pytest.fixture
def spans() -> tuple[Any, Tracing]:
    memory = pytest.importorskip(
        "opentelemetry.sdk.trace.export.in_memory_span_exporter"
    ).InMemorySpanExporter()
    return memory, Tracing(export.SimpleSpanProcessor(memory))


def ask(tracing: Tracing, status: int = 200, route: str = "/api/v1/predict", **headers: str) -> Any:
    app = Edge(answering(route, status), Settings(allowed_hosts="*"), Metrics(), tracing)  # type: ignore[arg-type]
    return TestClient(app).post("/secret-path?secret=1", headers=headers)


def test_a_request_is_a_span_named_by_its_route(spans: tuple[Any, Tracing]) -> None:
    memory, tracing = spans
    ask(tracing)
    (span,) = memory.get_finished_spans()
    assert span.name == "POST /api/v1/predict"
    assert span.kind.name == "SERVER"
    assert span.attributes["http.route"] == "/api/v1/predict"
    assert span.attributes["http.response.status_code"] == 200
    assert span.end_time > span.start_time
    assert span.parent is None
    assert "secret" not in span.to_json()  # neither address nor image
    assert span.resource.attributes["service.name"] == "sge-lens"


def test_a_span_is_below_that_of_the_client(spans: tuple[Any, Tracing]) -> None:
    memory, tracing = spans
    ask(tracing, 503, traceparent=PARENT)
    (span,) = memory.get_finished_spans()
    assert f"{span.context.trace_id:032x}" == PARENT[3:35]
    assert f"{span.parent.span_id:016x}" == PARENT[36:52]
    assert span.status.status_code.name == "ERROR"


@pytest.mark.parametrize(
    "parent", ["", "nonsense", PARENT.replace("b7ad", "B7AD"), "00-" + "0" * 32 + PARENT[35:]]
)
def test_a_wrong_parent_is_none(spans: tuple[Any, Tracing], parent: str) -> None:
    memory, tracing = spans
    ask(tracing, traceparent=parent)
    assert memory.get_finished_spans()[0].parent is None


def test_the_trace_is_in_problems(spans: tuple[Any, Tracing]) -> None:
    memory, tracing = spans
    app = Edge(answering(), Settings(allowed_hosts="a.org"), Metrics(), tracing)  # type: ignore[arg-type]
    problem = TestClient(app).get("/").json()
    assert problem["trace_id"] == f"{memory.get_finished_spans()[0].context.trace_id:032x}"


def test_no_endpoint_imports_nothing() -> None:
    assert tracing_to("") is None


def test_without_the_extra_the_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sge-lens\[otel\]'"):
        tracing_to("http://localhost:4318")


@pytest.mark.parametrize("endpoint", ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"])
def test_the_collector_is_asked_under_its_path(endpoint: str) -> None:
    tracing = tracing_to(endpoint)
    assert tracing is not None
    processor: Any = tracing.provider._active_span_processor._span_processors[0]
    assert processor.span_exporter._endpoint == "http://c:4318/v1/traces"
    tracing.provider.shutdown()
