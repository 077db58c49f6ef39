"""Runs a soak: a server of its own, clients that never rest, and looks at the memory in between."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sge.bench.service.load import Connection
from sge.bench.service.processes import START_LIMIT_S, ServerProcess, ServerStartError
from sge.bench.soak.mixture import BUSY, Asked, mixture, overlays
from sge.bench.soak.result import MAX_LEFT, SoakResult

ROOT = Path(__file__).resolve().parents[3]
"""Folder that holds the package ``sge``."""
Say = Callable[[str], None]
MAX_WAIT_S = 5.0
"""Longest that a refused client waits before its next request, whatever Retry-After says."""
BURST_LIMIT_S = 180.0
"""Time after which requests of the burst that are still refused are given up."""
LOOK_S = 0.25
"""Time between two looks at the memory."""


@dataclass(frozen=True)
class SoakBench:
    """What is done.

    Args:
        model: Name or file of the served model.
        requests: Number of mixed requests.
        early: After so many, the memory is measured for the first time.
        clients: That ask at the same time.
        burst: Number of overlays of 12 million pixels that are asked for at once; 0: none.
        settle_s: Time in which memory may be given back, after the requests and after the burst, seconds.
        port: Of the server.
    """

    model: str
    requests: int = 5000
    early: int = 500
    clients: int = 8
    burst: int = 40
    settle_s: float = 10.0
    port: int = 8440


def measure_soak(bench: SoakBench, say: Say) -> SoakResult:
    """Starts the service, gives it the requests, and ends it.

    Args:
        bench: What is done.
        say: Receives a line for each step.

    Raises:
        ServerStartError: the service does not start, or its memory cannot be read (there is no /proc).
    """
    with tempfile.TemporaryDirectory(prefix="sge-soak-") as folder:
        environment = {
            "PYTHONPATH": str(ROOT),
            "SGE_MODELS": bench.model,
            "SGE_DEVICE": "cpu",
            "SGE_HOST": "127.0.0.1",
            "SGE_PORT": str(bench.port),
        }
        command = [sys.executable, "-m", "sge", "serve"]
        process = ServerProcess("sge serve", command, environment, Path(folder) / "log")
        try:
            block = _first_block(process, bench.port)
            return asyncio.run(_soak(bench, process, block, say))
        finally:
            process.stop()


def _first_block(process: ServerProcess, port: int) -> str:
    """A block of the model, once the service is ready."""
    end = time.monotonic() + START_LIMIT_S
    address = f"http://127.0.0.1:{port}/api/v1"
    while time.monotonic() < end:
        process.check()
        with suppress(OSError):
            urllib.request.urlopen(f"{address}/health/ready", timeout=10).close()
            with urllib.request.urlopen(f"{address}/models", timeout=10) as answer:
                models = json.load(answer)
            listed = models["models"] if isinstance(models, dict) else models
            return str(listed[0]["blocks"][-1]["name"])
        time.sleep(0.5)
    raise ServerStartError(f"the service was not ready within {START_LIMIT_S:g} s")


async def _soak(bench: SoakBench, process: ServerProcess, block: str, say: Say) -> SoakResult:
    result = SoakResult()
    asked = itertools.cycle(mixture(block))
    started = time.monotonic()
    for number in (bench.early, bench.requests):
        while result.requests < number:
            step = min(number - result.requests, max(50, bench.requests // 20))
            await _ask_all(bench, itertools.islice(asked, step), result)
            memory = _memory(process)
            say(f"{result.requests} requests, {memory / 1e6:.0f} MB, {result.wrong.total()} wrong answers")
        await asyncio.sleep(bench.settle_s)
        if number == bench.early:
            result.early_bytes = _memory(process)
    result.seconds = time.monotonic() - started
    result.late_bytes = result.before_burst_bytes = result.after_burst_bytes = _memory(process)
    if bench.burst:
        await _burst(bench, process, block, result, say)
    return result


async def _ask_all(bench: SoakBench, asked: Iterator[Asked], result: SoakResult) -> None:
    """Every request once, shared by the clients."""

    async def client() -> None:
        connection = Connection(bench.port)
        for one in asked:  # all clients take from the same iterator
            await _ask(one, connection, bench.port, result)
        connection.close()

    await asyncio.gather(*(client() for _ in range(bench.clients)))


async def _ask(one: Asked, connection: Connection, port: int, result: SoakResult) -> None:
    result.requests += 1
    if one.sent is not None:
        await _disconnect(one, port)
        return
    answer = await connection.ask(one.data)
    result.answers[f"{one.name}: {answer.status}"] += 1
    if answer.status in BUSY:
        result.refused += 1
        await asyncio.sleep(min(answer.retry_after, MAX_WAIT_S))
    elif answer.status not in one.expected:
        result.wrong[f"{one.name}: {answer.status}"] += 1


async def _disconnect(one: Asked, port: int) -> None:
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(one.data[: one.sent])
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def _burst(bench: SoakBench, process: ServerProcess, block: str, result: SoakResult, say: Say) -> None:
    say(f"{bench.burst} overlays of 12 million pixels at once")
    asked = overlays(block, bench.burst)
    end = time.monotonic() + BURST_LIMIT_S
    answering = asyncio.gather(*(_until_answered(one, bench.port, end) for one in asked))
    while not answering.done():
        result.peak_bytes = max(result.peak_bytes, _memory(process))
        await asyncio.sleep(LOOK_S)
    statuses: Sequence[int] = await answering
    result.burst_answered = statuses.count(200)
    for status in statuses:
        if status not in (200, *BUSY):
            result.wrong[f"overlay, 12 MP: {status}"] += 1
    over = time.monotonic()
    while time.monotonic() < over + bench.settle_s:
        await asyncio.sleep(LOOK_S)
        memory = _memory(process)
        result.peak_bytes = max(result.peak_bytes, memory)
        if result.back_s is None and memory <= MAX_LEFT * result.before_burst_bytes:
            result.back_s = round(time.monotonic() - over, 1)
    result.after_burst_bytes = _memory(process)


async def _until_answered(one: Asked, port: int, end: float) -> int:
    """The status of the last answer; a refused client comes again when it may, but in time for the burst."""
    connection = Connection(port)
    while True:
        answer = await connection.ask(one.data)
        if answer.status not in BUSY or time.monotonic() > end:
            connection.close()
            return answer.status
        await asyncio.sleep(min(max(answer.retry_after, 0.1), MAX_WAIT_S))


def _memory(process: ServerProcess) -> int:
    process.check()
    found = process.memory_bytes()
    if found is None:
        raise ServerStartError("the memory of processes cannot be read here; a soak needs Linux")
    return found
