"""The model threads with lenses that only say what they were given."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from app.metrics import Metrics
from app.scheduler import Job, Scheduler
from app.workers.tasks import Prepared
from sge.images import Geometry, ImageFacts, Preprocess
from sge.images.geometry import Box
from sge.lens.given_up import end_if_given_up

WAIT_S = 30


@dataclass(eq=False)
class FakeLens:
    """Records its batches; waits for ``open``."""

    backend: str = "torch"
    device: str = "cuda"
    open: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    batches: list[list[str]] = field(default_factory=list)
    fails: frozenset[str] = frozenset()
    running: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def model(self) -> Any:
        class _Model:
            preprocess = Preprocess()

        return _Model

    def predict_frames(self, frames: Any, _top_k: int) -> list[list[str]]:
        names = [frame.image.name for frame in frames]
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.entered.release()
        assert self.open.wait(WAIT_S)
        with self.lock:
            self.running -= 1
            self.batches.append(names)
        if self.fails & set(names):
            raise ValueError("one of these")
        return [[name] for name in names]


def job(lens: FakeLens, order: int, width: int = 32, long: bool = False) -> Job:
    name = f"{order}"
    size = (width, 32)
    facts = ImageFacts(width, 32, "PNG", "", name)
    geometry = Geometry(size, size, Box(0, 0, width, 32), "whole")
    prepared = Prepared(size, bytes(width * 32 * 3), geometry, facts, 1.0)
    kind = "compute" if long else "predict"
    work = (lambda lens, frame: lens.predict_frames([frame], 1)[0]) if long else None
    return Job(kind, cast(Any, lens), prepared, work=work, long=long, order=order)


def run(work: Callable[[Scheduler], Awaitable[Any]], cores: int = 2, max_batch: int = 8) -> Any:
    async def inner() -> Any:
        scheduler = Scheduler(cores, max_batch, Metrics())
        scheduler.start(asyncio.get_running_loop())
        try:
            async with asyncio.timeout(WAIT_S):
                return await work(scheduler)
        finally:
            await asyncio.to_thread(scheduler.stop, time.monotonic() + WAIT_S)

    return asyncio.run(inner())


async def entered(lens: FakeLens, count: int = 1) -> None:
    for _ in range(count):
        assert await asyncio.to_thread(lens.entered.acquire, timeout=WAIT_S)


def test_shapes_do_not_mix_and_the_oldest_decides() -> None:
    lens = FakeLens()

    async def work(scheduler: Scheduler) -> list[Any]:
        jobs = [job(lens, 0)]
        scheduler.submit(jobs[0])
        await entered(lens)
        for order, width in enumerate((64, 32, 64, 32, 32), 1):
            jobs.append(job(lens, order, width))
            scheduler.submit(jobs[-1])
        lens.open.set()
        return await asyncio.gather(*(each.result for each in jobs))

    assert run(work) == [[f"{order}"] for order in range(6)]
    assert lens.batches == [["0"], ["1", "3"], ["2", "4", "5"]]


def test_age_counts_and_not_the_time_of_being_ready() -> None:
    lens = FakeLens()

    async def work(scheduler: Scheduler) -> None:
        jobs = [job(lens, 0)]
        scheduler.submit(jobs[0])
        await entered(lens)
        orders = list(range(1, 12))
        random.Random(2).shuffle(orders)
        for order in orders:
            jobs.append(job(lens, order, 32 * (1 + order % 3)))
            scheduler.submit(jobs[-1])
        lens.open.set()
        await asyncio.gather(*(each.result for each in jobs))

    run(work, max_batch=1)
    assert lens.batches == [[f"{order}"] for order in range(12)]


def test_a_job_that_may_not_run_yet_wakes_no_thread() -> None:
    lens = FakeLens("onnxruntime", "cpu")
    looked: list[str] = []

    async def work(scheduler: Scheduler) -> list[Any]:
        jobs = [job(lens, order) for order in range(8)]
        for each in jobs[:2]:
            scheduler.submit(each)
        await entered(lens, 2)
        await asyncio.sleep(0.05)  # the third thread has looked and waits
        next_batch = scheduler.next_batch

        def noted(pending: Any) -> list[Job]:
            looked.append(threading.current_thread().name)
            return next_batch(pending)

        scheduler.next_batch = noted  # type: ignore[method-assign]
        for each in jobs[2:]:
            scheduler.submit(each)
        await asyncio.sleep(0.05)
        assert set(looked) == {threading.current_thread().name}
        lens.open.set()
        return await asyncio.gather(*(each.result for each in jobs))

    assert run(work) == [[f"{order}"] for order in range(8)]
    assert lens.most == 2


def test_a_batch_that_fails_is_repeated_one_by_one() -> None:
    lens = FakeLens(fails=frozenset({"2", "5"}))

    async def work(scheduler: Scheduler) -> list[Any]:
        jobs = [job(lens, 0)]
        scheduler.submit(jobs[0])
        await entered(lens)
        for order in range(1, 6):
            jobs.append(job(lens, order))
            scheduler.submit(jobs[-1])
        lens.open.set()
        return await asyncio.gather(*(each.result for each in jobs), return_exceptions=True)

    results = run(work)
    assert [isinstance(result, ValueError) for result in results] == [False, False, True, False, False, True]
    assert lens.batches[1] == ["1", "2", "3", "4", "5"]


def test_who_has_left_gets_no_pass() -> None:
    lens = FakeLens()

    async def work(scheduler: Scheduler) -> None:
        jobs = [job(lens, order) for order in range(3)]
        scheduler.submit(jobs[0])
        await entered(lens)
        scheduler.submit(jobs[1])
        scheduler.submit(jobs[2])
        jobs[1].result.cancel()
        lens.open.set()
        await asyncio.gather(jobs[0].result, jobs[2].result)

    run(work)
    assert lens.batches == [["0"], ["2"]]


def test_a_running_computation_ends_between_its_passes_when_its_client_has_left() -> None:
    lens, begun = FakeLens("onnxruntime"), threading.Event()
    lens.open.set()

    def without_end(_lens: Any, _frame: Any) -> None:
        begun.set()
        while True:
            end_if_given_up()
            time.sleep(0.001)

    async def work(scheduler: Scheduler) -> None:
        leaving = job(lens, 0, long=True)
        leaving.work = without_end
        scheduler.submit(leaving)
        assert await asyncio.to_thread(begun.wait, WAIT_S)
        leaving.result.cancel()
        other = job(lens, 1, long=True)
        scheduler.submit(other)
        assert await other.result == ["1"]

    run(work, cores=1)


@pytest.mark.parametrize(
    ("backend", "device", "at_once"), [("onnxruntime", "cpu", 2), ("torch", "cpu", 2), ("torch", "cuda", 1)]
)
def test_one_core_passes_run_side_by_side_and_others_one_after_the_other(
    backend: str, device: str, at_once: int
) -> None:
    lens = FakeLens(backend, device)

    async def work(scheduler: Scheduler) -> None:
        jobs = [job(lens, order) for order in range(8)]
        for each in jobs:
            scheduler.submit(each)
        await entered(lens, at_once)
        await asyncio.sleep(0.02)
        lens.open.set()
        await asyncio.gather(*(each.result for each in jobs))

    run(work, max_batch=2)
    assert lens.most == at_once


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
@pytest.mark.parametrize("first", [True, False])
def test_long_and_quick_jobs_never_hold_each_other_up(backend: str, first: bool) -> None:
    """However many of one kind hang, one of the other kind is answered."""
    held, free = FakeLens(backend), FakeLens(backend)
    free.open.set()

    async def work(scheduler: Scheduler) -> None:
        hanging = [job(held, order, long=first) for order in range(6)]
        for each in hanging:
            scheduler.submit(each)
        await entered(held)
        other = job(free, 9, long=not first)
        scheduler.submit(other)
        await other.result
        held.open.set()
        await asyncio.gather(*(each.result for each in hanging))

    run(work, max_batch=1)


def test_what_waits_is_finished_when_it_stops_and_threads_that_hang_do_not_answer() -> None:
    lens = FakeLens()

    async def work(scheduler: Scheduler) -> None:
        jobs = [job(lens, order, long=order == 1) for order in range(4)]
        for each in jobs:
            scheduler.submit(each)
        await entered(lens, 2)
        assert scheduler.answers(60)
        assert scheduler.answers(0)  # one thread still waits for work
        scheduler.threads[:] = [entry for entry in scheduler.threads if entry.since is not None]
        assert not scheduler.answers(0)
        asyncio.get_running_loop().call_later(0.05, lens.open.set)
        await asyncio.to_thread(scheduler.stop, time.monotonic() + WAIT_S)
        await asyncio.gather(*(each.result for each in jobs))

    run(work, max_batch=1)
