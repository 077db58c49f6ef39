"""Spans of requests, read from memory; and that nothing of it is needed."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.metrics import STAGES, Metrics
from app.middleware import Edge
from app.settings import Settings
from app.tracing import MissingExtraError, Tracing, tracing_to
from tests.app.asking import jpeg, post
from tests.app.conftest import Service
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
    edge = Edge(answering(route, status), Settings(allowed_hosts="*"), Metrics(), tracing)  # type: ignore[arg-type]
    return TestClient(edge).post("/secret-path?secret=1", headers=headers)


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
    edge = Edge(answering(), Settings(allowed_hosts="a.org"), Metrics(), tracing)  # type: ignore[arg-type]
    problem = TestClient(edge).get("/").json()
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


def test_the_stages_of_an_image_are_spans_one_after_the_other_below_its_request(
    spans: tuple[Any, Tracing], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, tracing = spans
    edge: Any = service.app.middleware_stack
    while not isinstance(edge, Edge):
        edge = edge.app
    monkeypatch.setattr(edge, "tracing", tracing)
    before = {stage: service.metric("sge_stage_seconds_count", stage=stage) for stage in STAGES}
    assert post(service.client, "overlay", jpeg()).status_code == 200
    (request,) = [span for span in memory.get_finished_spans() if span.kind.name == "SERVER"]
    assert post(service.client, "analyze", jpeg()).status_code == 200
    counted = {
        stage: service.metric("sge_stage_seconds_count", stage=stage) - before[stage] for stage in STAGES
    }
    stages = [
        span
        for span in memory.get_finished_spans()
        if span.parent and span.parent.span_id == request.context.span_id
    ]
    assert [span.name for span in stages] == [
        "receive",
        "wait",
        "decode",
        "wait",
        "model",
        "wait",
        "draw",
        "send",
    ]
    for span, following in pairwise(stages):
        assert span.start_time <= span.end_time <= following.start_time + 1e6  # rounding of two clocks
    assert request.start_time <= stages[0].start_time + 5e6
    assert stages[-1].end_time <= request.end_time + 5e6
    assert counted == {
        "receive": 2,
        "wait": 5,
        "decode": 2,
        "model": 2,
        "encode": 1,
        "draw": 1,
        "send": 2,
    }


def test_requests_without_an_image_have_no_stages(spans: tuple[Any, Tracing]) -> None:
    memory, tracing = spans
    ask(tracing)
    assert len(memory.get_finished_spans()) == 1
