"""The counters and gauges of the service, in Prometheus' text format."""

from __future__ import annotations

from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
STAGES = ("receive", "wait", "decode", "model", "encode", "draw", "send")
"""What a request goes through; see ``sge_stage_seconds``."""

Spent = list[tuple[str, float, float]]
"""Stages of one request: name, begin and end, in seconds of ``time.monotonic``."""
SPENT: ContextVar[Spent | None] = ContextVar("sge_spent", default=None)
"""Receives the stages of the request that the running task answers; None: they are only counted."""


class Metrics:
    """Metrics of one application, in a registry of their own: tests run several applications in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sge_requests", "Requests by route and status", ["route", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "sge_request_seconds",
            "Seconds from first byte in to last byte out",
            ["route"],
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self.registry,
        )
        self.queue_depth = Gauge(
            "sge_queue_depth", "Images admitted and not yet answered", registry=self.registry
        )
        self.batch_sizes = Histogram(
            "sge_batch_size",
            "Images in one forward pass",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self.registry,
        )
        stages = Histogram(
            "sge_stage_seconds",
            "Seconds of a request in each stage; wait: for a worker or a model thread; send: until the answer's last bytes "
            "are handed to the system",
            ["stage"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self._stages = {name: stages.labels(name) for name in STAGES}
        self.rejected = Counter(
            "sge_rejected", "Refused requests by reason", ["reason"], registry=self.registry
        )
        self.worker_ends = Counter(
            "sge_worker_ends",
            "Worker processes that were ended or have ended, by reason",
            ["reason"],
            registry=self.registry,
        )
        self.connections = Gauge("sge_connections", "Open connections", registry=self.registry)
        self.cut_connections = Counter(
            "sge_connections_cut",
            "Connections that were refused or cut off, by reason",
            ["reason"],
            registry=self.registry,
        )
        self.ready = Gauge("sge_model_ready", "1 when the model is loaded", ["model"], registry=self.registry)

    def stage(self, name: str, began: float, ended: float) -> None:
        """A request has passed a stage.

        Args:
            name: One of ``STAGES``.
            began: Seconds of ``time.monotonic``.
            ended: The same.
        """
        self._stages[name].observe(max(0.0, ended - began))
        if (spent := SPENT.get()) is not None:
            spent.append((name, began, ended))

    def text(self) -> bytes:
        """All metrics in the Prometheus exposition format, UTF-8."""
        return generate_latest(self.registry)
