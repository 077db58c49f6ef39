"""Metrics of two applications in one process do not mix, and are Prometheus text."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from app.metrics import Metrics


def test_two_applications_have_registries_of_their_own():
    first, second = Metrics(), Metrics()
    first.requests.labels("/api/v1/predict", "200").inc()
    first.queue_depth.set(3)
    for metrics, count, depth in ((first, 1, 3), (second, 0, 0)):
        families = {f.name: f for f in text_string_to_metric_families(metrics.text().decode())}
        samples = [s for s in families["sge_requests"].samples if s.name == "sge_requests_total"]
        assert sum(sample.value for sample in samples) == count
        assert families["sge_queue_depth"].samples[0].value == depth
