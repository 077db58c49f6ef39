"""More work than the service can do in time: what is drawn takes half a second here, and a request may take six."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import app.cost
from tests.app.asking import Asking, check_problem, jpeg, post
from tests.app.conftest import Service, running, until

DRAWN_S, LIMIT_S = 0.5, 6.0


def draw_slowly(started: Service, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Every overlay takes so long, however busy the machine is."""
    monkeypatch.setattr(app.cost.Slowness, "value", 1.0)
    run = started.engine.pool.run

    async def slow(task: Callable[..., Any], *args: Any, **options: Any) -> Any:
        made = await run(task, *args, **options)
        if task.__name__ == "draw_overlay":
            await asyncio.sleep(seconds)
            options["used"].seconds = options["used"].cpu_s = seconds
        return made

    monkeypatch.setattr(started.engine.pool, "run", slow)


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with running(models=["sge_resnet18_dogs"], time_limit_s=LIMIT_S, workers=2) as started:
        draw_slowly(started, monkeypatch, DRAWN_S)
        for _ in range(60):
            started.engine.costs.learn("overlay", DRAWN_S, 96 * 64 / 1e6, "JPEG")
        yield started


def test_overlays_in_excess_are_refused_at_once_and_none_is_begun_in_vain(busy: Service) -> None:
    with Asking(busy.client) as asking:
        started = time.monotonic()
        asked = [asking.post("overlay", jpeg(seed)) for seed in range(20)]
        until(lambda: busy.engine.depth >= 2)
        small = [post(busy.client, "predict", jpeg(100 + seed)) for seed in range(3)]
        assert [answer.status_code for answer in small] == [200] * 3  # not starved
        answers = [future.result() for future in asked]
        seconds = time.monotonic() - started
    states = [answer.status_code for answer in answers]
    assert set(states) == {200, 503}
    assert states.count(200) >= 3
    assert busy.metric("sge_rejected_total", reason="time") == 0
    assert seconds < 2 * LIMIT_S
    for answer in answers:
        if answer.status_code == 503:
            assert "Try again in" in check_problem(answer, 503)["detail"]
            assert 1 <= int(answer.headers["retry-after"]) <= 20 * DRAWN_S + 2
    assert busy.engine.depth == 0


def test_polite_clients_are_all_answered_although_others_keep_coming(busy: Service) -> None:
    """Each of 12 comes again when Retry-After says; a greedy one takes every moment that is left."""
    finished, tries = threading.Event(), []

    def polite(seed: int) -> int:
        for attempt in range(6):
            answer = post(busy.client, "overlay", jpeg(seed))
            if answer.status_code != 503:
                tries.append(attempt)
                return int(answer.status_code)
            time.sleep(int(answer.headers["retry-after"]))
        return 503

    def greedy() -> None:
        seed = 1000
        while not finished.is_set():
            seed += 1
            post(busy.client, "overlay", jpeg(seed))
            time.sleep(0.05)

    with Asking(busy.client) as asking:
        rude = asking.pool.submit(greedy)
        until(lambda: busy.engine.depth >= 1)
        answered = [future.result() for future in [asking.pool.submit(polite, seed) for seed in range(12)]]
        finished.set()
        rude.result()
    assert answered == [200] * 12
    assert max(tries) <= 3


def test_who_was_admitted_before_anybody_knew_how_slow_it_is_has_a_503_in_time_and_may_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Overlays take four times as long as is assumed: two can be drawn in the time that a request may take."""
    with running(models=["sge_resnet18_dogs"], time_limit_s=LIMIT_S, workers=2) as started:
        monkeypatch.setitem(app.cost.ASSUMED, "overlay", (0.1 * LIMIT_S, 0.0))
        draw_slowly(started, monkeypatch, 0.4 * LIMIT_S)
        with Asking(started.client) as asking:
            answers = [
                future.result() for future in [asking.post("overlay", jpeg(seed)) for seed in range(12)]
            ]
        states = [answer.status_code for answer in answers]
        assert set(states) == {200, 503}
        assert 1 <= states.count(200) <= 2
        assert started.metric("sge_rejected_total", reason="time") == 0
        for answer in answers:
            if answer.status_code == 503:
                assert "Try again in" in check_problem(answer, 503)["detail"]
                assert 1 <= int(answer.headers["retry-after"]) <= 12 * 0.4 * LIMIT_S + 2
        assert started.engine.depth == 0
        assert sum(started.engine.admissions._ahead.values()) == pytest.approx(0, abs=1e-6)
