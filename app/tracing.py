"""OpenTelemetry: spans of requests and their stages, for a collector. Without the extra ``[otel]`` nothing is imported."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starlette.types import Scope

import sge
from sge.errors import SGEError

from .identity import Identity

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span

FLUSH_MS = 1000
"""How long the end of the service waits for the collector, milliseconds."""
TRACES = "/v1/traces"


class Tracing:
    """Spans of requests, and of the stages that they pass.

    Args:
        processor: Receives the spans that have ended.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        facts = {"service.name": "sge-lens", "service.version": sge.__version__}
        self.provider = TracerProvider(resource=Resource.create(facts), shutdown_on_exit=False)
        self.provider.add_span_processor(processor)
        self.tracer = self.provider.get_tracer("sge.app")

    def begin(self, scope: Scope, identity: Identity) -> Span:
        """A span for a request that begins, below the one that ``traceparent`` names."""
        from opentelemetry import trace

        context = None
        if identity.parent is not None:
            parent = identity.parent
            remote = trace.SpanContext(
                int(parent.trace_id, 16), int(parent.span_id, 16), True, trace.TraceFlags(parent.flags)
            )
            context = trace.set_span_in_context(trace.NonRecordingSpan(remote))
        span = self.tracer.start_span(scope["method"], context, trace.SpanKind.SERVER)
        identity.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        return span

    def end(
        self, span: Span | None, scope: Scope, status: int, spent: Sequence[tuple[str, float, float]] = ()
    ) -> None:
        """Names a request's span by its route, and ends it.

        Args:
            span: From ``begin``.
            scope: After the application has handled the request.
            status: HTTP status of the response.
            spent: The stages of the request, of which each becomes a span below it.
        """
        from opentelemetry.trace import StatusCode, set_span_in_context

        if span is None:
            return
        context, since = set_span_in_context(span), time.time() - time.monotonic()
        for stage, began, ended in spent:
            below = self.tracer.start_span(stage, context, start_time=int((since + began) * 1e9))
            below.end(int((since + ended) * 1e9))
        route = getattr(scope.get("route"), "path", None)
        attributes: dict[str, Any] = {
            "http.request.method": scope["method"],
            "http.response.status_code": status,
            "url.scheme": scope["scheme"],
        }
        if route:
            span.update_name(f"{scope['method']} {route}")
            attributes["http.route"] = route
        span.set_attributes(attributes)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def stop(self) -> None:
        """Sends what is left; a collector that does not answer is not waited for."""
        self.provider.force_flush(FLUSH_MS)


class MissingExtraError(SGEError):
    """A setting needs packages that are not installed."""


def tracing_to(endpoint: str) -> Tracing | None:
    """Tracing to a collector.

    Args:
        endpoint: ``SGE_OTLP_ENDPOINT``; empty: none.

    Raises:
        MissingExtraError: The extra ``[otel]`` is not installed.
    """
    if not endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise MissingExtraError(
            "SGE_OTLP_ENDPOINT is set, but OpenTelemetry is not installed. Install the extra: "
            "pip install 'sge-lens[otel]', or unset the variable."
        ) from None
    address = endpoint.rstrip("/")
    exporter = OTLPSpanExporter(
        address if address.endswith(TRACES) else address + TRACES, timeout=FLUSH_MS / 1000
    )
    return Tracing(BatchSpanProcessor(exporter))
