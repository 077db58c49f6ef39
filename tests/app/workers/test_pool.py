from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any, cast

import pytest

from app.errors import ProblemError
from app.workers import guard, nursery
from app.workers.errors import StarvedTaskError, TaskCrashedError, TaskTimeoutError, WorkerDiedError
from sge.errors import BrokenImageError, ImageTooCostlyError, UnsupportedFormatError

from . import hostile
from .conftest import Pool, ends, runs, until

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")


def test_tasks_give_values_and_the_library_s_errors(in_pool):
    async def work(pool: Pool):
        large = os.urandom(12_000_000)
        assert await pool.do(hostile.give, large) == large
        assert await pool.do(hostile.give, [1, 2.5, "x", None, (b"", {"a": 1})]) == [
            1,
            2.5,
            "x",
            None,
            (b"", {"a": 1}),
        ]
        with pytest.raises(UnsupportedFormatError, match=r"^a sentence$") as caught:
            await pool.do(hostile.refuse, "a sentence")
        assert caught.value.__cause__ is None
        with pytest.raises(TaskCrashedError, match="secret of the worker"):
            await pool.do(hostile.blunder)
        pids = pool.pids()
        assert await pool.do(hostile.pid) in pids
        assert pids == pool.pids()  # an error is no reason to end a process

    in_pool(work)


@pytest.mark.parametrize(
    ("task", "args", "error", "reason"),
    [
        (hostile.die, (signal.SIGKILL,), WorkerDiedError, "died"),
        (hostile.die, (signal.SIGTERM,), WorkerDiedError, "died"),
        (hostile.leave, (0,), WorkerDiedError, "died"),
        (hostile.leave, (1,), WorkerDiedError, "died"),
        (hostile.stop_python, (), WorkerDiedError, "died"),
        (hostile.die, (signal.SIGSEGV,), BrokenImageError, "died"),
        (hostile.die, (signal.SIGABRT,), BrokenImageError, "died"),
        (hostile.send_garbage, (b"\xff" * 8,), WorkerDiedError, "died"),
        (hostile.send_garbage, (b"\0" * 7 + b"\x03abc",), WorkerDiedError, "died"),
        (hostile.send_garbage, (b"\0" * 7 + b"\x03abcdefgh",), WorkerDiedError, "died"),
        (hostile.send_garbage, (b"\0",), WorkerDiedError, "died"),
        (hostile.close_everything, (), WorkerDiedError, "died"),
    ],
)
def test_a_worker_that_dies_is_replaced_and_only_its_request_fails(in_pool, task, args, error, reason):
    async def work(pool: Pool):
        other = asyncio.create_task(pool.do(hostile.rest, 0.3))
        await asyncio.sleep(0.05)
        fate = await pool.fate(task, *args)
        assert type(fate) is error
        assert "again" in str(fate)
        if isinstance(fate, ProblemError):
            assert (fate.status, fate.retry_after_s) == (503, 1)
        assert await other in pool.pids()
        await pool.full()
        assert await pool.do(hostile.give, 1) == 1
        assert ends(pool, reason) == 1

    in_pool(work)


@pytest.fixture
def computing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that rest are taken for tasks that compute all the time: a busy machine would make real ones starve."""
    monkeypatch.setattr(guard, "cpu_seconds", lambda _pid: time.monotonic())


def test_the_clock_s_limit_ends_a_task_and_frees_its_place(in_pool, computing):
    async def work(pool: Pool):
        started = time.monotonic()
        fates = await asyncio.gather(*(pool.fate(hostile.rest, 30, limit_s=0.3) for _ in range(4)))
        assert [type(fate) for fate in fates] == [ImageTooCostlyError] * 4
        assert "0.3 s" in str(fates[0])
        assert time.monotonic() - started < 8
        await pool.full()
        assert ends(pool, "wall") == 4

    in_pool(work)


def test_a_task_that_hardly_computed_until_its_limit_is_no_costly_image(in_pool):
    """A task that rests is one that waits for a core: no image makes a decoder rest."""

    async def work(pool: Pool):
        fate = await pool.fate(hostile.rest, 30, limit_s=0.3)
        assert type(fate) is StarvedTaskError
        assert (fate.status, fate.retry_after_s) == (503, 5)
        assert "Try again in 5 s" in fate.detail
        assert (ends(pool, "starved"), ends(pool, "wall")) == (1, 0)
        assert await pool.do(hostile.give, 1) == 1

    in_pool(work, workers=1)


@pytest.mark.parametrize("known", [None, 0.0])
def test_where_the_system_does_not_say_who_computed_the_image_is_what_took_long(known: float | None) -> None:
    class Gone:
        pid = 2**22 + 1  # no system has so many processes

        def kill(self) -> None:
            raise ProcessLookupError

    watched = guard.Watched(cast(Any, Gone()), 0.0, 1.0)
    watched._cpu_s = known
    watched.kill(time.monotonic() + 9)
    assert (watched.killed, watched.starved) == (True, False)


def test_the_limit_of_computing_time_is_kept_by_the_kernel(in_pool):
    async def work(pool: Pool):
        fate = await pool.fate(hostile.burn)
        assert type(fate) is ImageTooCostlyError
        assert "1 s of computing" in str(fate)
        assert ends(pool, "cpu") == 1

    in_pool(work, image_cpu_s=1)


def test_computing_time_is_counted_for_each_task_alone(in_pool):
    async def work(pool: Pool):
        pids = pool.pids()
        for _ in range(3):
            assert await pool.do(_work_for, 0.5) in pids

    in_pool(work, workers=1, image_cpu_s=1)


def _work_for(seconds: float) -> int:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return os.getpid()


@pytest.mark.parametrize("task", [hostile.eat, hostile.eat_in_python])
def test_the_limit_of_memory_is_kept_and_counts_for_each_task_alone(in_pool, task):
    async def work(pool: Pool):
        for _ in range(4):
            assert await pool.do(task, 40 << 20) == 40 << 20
        fate = await pool.fate(task, 200 << 20)
        assert type(fate) is ImageTooCostlyError
        assert "64 MiB" in str(fate)
        assert await pool.do(task, 40 << 20) == 40 << 20
        assert ends(pool, "memory") == 1

    in_pool(work, image_memory=64 << 20)


def test_a_deadline_counts_while_a_task_waits_and_while_it_runs(in_pool):
    async def work(pool: Pool):
        soon = time.monotonic() + 0.4
        running = [asyncio.create_task(pool.fate(hostile.rest, 30, deadline=soon)) for _ in range(2)]
        await asyncio.sleep(0.05)
        waiting = pool.fate(hostile.give, 1, deadline=time.monotonic() + 0.1)
        fates = [await waiting, *await asyncio.gather(*running)]
        assert [type(fate) for fate in fates] == [TaskTimeoutError] * 3
        assert {fate.status for fate in fates} == {504}
        assert type(await pool.fate(hostile.give, 1, deadline=time.monotonic() - 1)) is TaskTimeoutError
        assert (ends(pool, "deadline"), pool.waiting(large=False)) == (2, 0)
        assert await pool.do(hostile.give, 1) == 1

    in_pool(work)


def test_the_guard_ends_a_task_while_the_event_loop_stands_still(in_pool, computing):
    async def work(pool: Pool):
        (pid,) = pool.pids()
        task = asyncio.create_task(pool.fate(hostile.rest, 30, limit_s=0.2))
        await asyncio.sleep(0.05)
        end = time.monotonic() + 10
        while runs(pid) and time.monotonic() < end:
            time.sleep(0.02)  # on purpose in the event loop
        assert not runs(pid)
        assert type(await task) is ImageTooCostlyError

    in_pool(work, workers=1)


def test_a_request_that_has_gone_frees_its_place(in_pool):
    async def work(pool: Pool):
        running = [asyncio.create_task(pool.do(hostile.rest, 30)) for _ in range(2)]
        waiting = asyncio.create_task(pool.do(hostile.rest, 30))
        await asyncio.sleep(0.05)
        pids = pool.pids()
        for task in (waiting, *running):
            task.cancel()
        assert await pool.do(hostile.give, 1) == 1
        await until(lambda: not any(runs(pid) for pid in pids))
        await pool.full()
        assert (ends(pool, "cancelled"), pool.waiting(large=False)) == (2, 0)

    in_pool(work)


def test_large_tasks_leave_a_worker_to_small_ones(in_pool):
    async def work(pool: Pool):
        large = [asyncio.create_task(pool.do(hostile.rest, 0.3, large=True)) for _ in range(3)]
        await asyncio.sleep(0.02)
        assert pool.waiting(large=True) == 2
        for _ in range(20):
            await pool.do(hostile.give, 1)
        assert not large[0].done()
        assert len(set(await asyncio.gather(*large))) <= 2

    in_pool(work)


def test_an_idle_worker_that_dies_is_replaced_before_anybody_needs_it(in_pool):
    async def work(pool: Pool):
        pids = pool.pids()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: pool.alive == 2 and not pids & pool.pids())
        assert await pool.do(hostile.give, 1) == 1

    in_pool(work)


def test_a_nursery_that_dies_is_replaced(in_pool):
    async def work(pool: Pool):
        process = nursery._NURSERY._process
        assert process is not None
        process.kill()
        pids = pool.pids()
        await until(lambda: pool.alive == 2 and not pids & pool.pids())
        assert await pool.do(hostile.give, 1) == 1

    in_pool(work)


def test_signals_to_the_whole_group_do_not_end_workers(in_pool):
    async def work(pool: Pool):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for pid in pool.pids():
                os.kill(pid, number)
        assert await pool.do(hostile.pid) in pool.pids()
        assert ends(pool, "idle") == 0

    in_pool(work)


def test_an_answer_cannot_run_code_in_the_service(in_pool, tmp_path: Path):
    async def work(pool: Pool):
        target = tmp_path / "made"
        assert type(await pool.fate(hostile.attack, str(target))) is WorkerDiedError
        assert not target.exists()

    in_pool(work)


def test_a_worker_that_keeps_memory_is_replaced(in_pool):
    async def work(pool: Pool):
        (pid,) = pool.pids()
        assert await pool.do(hostile.keep, 200 << 20) == pid
        await until(lambda: pool.alive == 1 and pid not in pool.pids())

    in_pool(work, workers=1)


def test_workers_know_neither_torch_nor_the_web_framework(in_pool):
    async def work(pool: Pool):
        assert await pool.do(hostile.modules, "torch", "fastapi", "pydantic", "uvicorn", "onnxruntime") == []
        assert await pool.do(hostile.resident) < 120 << 20

    in_pool(work)


def test_stopping_lets_tasks_finish_until_the_deadline(in_pool):
    async def work(pool: Pool):
        short = asyncio.create_task(pool.fate(hostile.rest, 0.2))
        long = asyncio.create_task(pool.fate(hostile.rest, 30))
        waiting = asyncio.create_task(pool.fate(hostile.rest, 0))
        await asyncio.sleep(0.05)
        pids = pool.pids()
        await pool.stop(time.monotonic() + 1)
        assert await short in pids
        assert (await long).status == 504
        assert (await waiting).status == (await pool.fate(hostile.give, 1)).status == 503
        await until(lambda: not any(runs(pid) for pid in pids), 5)
        pool.start()
        assert await pool.do(hostile.give, 1) == 1

    in_pool(work)


def test_without_process_descriptors_workers_are_programs_of_their_own(
    in_pool, monkeypatch: pytest.MonkeyPatch, computing
):
    monkeypatch.setattr(nursery, "HAS_PIDFD", False)

    async def work(pool: Pool):
        assert await pool.do(hostile.pid) in pool.pids()
        assert type(await pool.fate(hostile.die, signal.SIGSEGV)) is BrokenImageError
        assert type(await pool.fate(hostile.rest, 30, limit_s=0.1)) is ImageTooCostlyError
        assert await pool.do(hostile.give, 1) == 1

    in_pool(work, workers=1)
