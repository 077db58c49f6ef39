"""The soak against a server and a memory that the test controls."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from sge.bench.service.processes import ServerStartError
from sge.bench.soak import SoakBench, SoakResult
from sge.bench.soak.mixture import FORMATS, mixture
from sge.bench.soak.run import _soak

BLOCK = "blocks.5.3"
SIZES_HERE = ((30, 20), (20, 30))
SMALL = SoakBench("model", requests=60, early=20, clients=3, burst=4, settle_s=0.3, port=0)


@pytest.fixture(autouse=True)
def _small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sge.bench.soak.mixture.SIZES", SIZES_HERE)
    monkeypatch.setattr("sge.bench.soak.mixture.LARGE_SIZE", (90, 60))


class Process:
    """A process whose memory the test writes."""

    def __init__(self, memory: Callable[[int], int | None]) -> None:
        self.looks = 0
        self.memory = memory

    def check(self) -> None:
        """It runs."""

    def memory_bytes(self) -> int | None:
        self.looks += 1
        return self.memory(self.looks)


class Service:
    """Answers each request by its path with a status that the test gives."""

    def __init__(self, status: Callable[[str, int], int]) -> None:
        self.status = status
        self.paths: list[str] = []
        self.half = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"Content-Length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                path = head.split()[1].decode("latin-1")
                self.paths.append(path)
                status = self.status(path, len(self.paths))
                writer.write(b"HTTP/1.1 %d X\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n" % status)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.half += 1
        finally:
            writer.close()


def soaked(
    service: Service, memory: Callable[[int], int | None] = lambda _look: 1000, bench: SoakBench = SMALL
) -> SoakResult:
    """The result of a soak of this service."""

    async def run() -> SoakResult:
        server = await asyncio.start_server(service.handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        given = SoakBench(**{**vars(bench), "port": port})
        process = Process(memory)
        async with server:
            return await _soak(given, process, BLOCK, lambda _: None)  # type: ignore[arg-type]

    return asyncio.run(run())


def right(path: str, _number: int) -> int:
    """The status that the service would answer."""
    wrong = {"/nothing": 404, "hello": 400}
    return wrong.get(path, 422 if "what=" in path or "=none" in path else 200)


def test_every_request_is_sent_and_counted() -> None:
    service = Service(right)
    result = soaked(service)
    assert result.requests == SMALL.requests
    disconnects = SMALL.requests - result.answers.total()
    assert len(service.paths) >= result.answers.total() + SMALL.burst
    assert 0 < disconnects < SMALL.requests // 4
    assert result.burst_answered == SMALL.burst
    assert result.refused == 0
    # Bodies that are no images are answered 200 by this service, which is wrong.
    assert all("no image" in name or "wrong type" in name for name in result.wrong)


def test_wrong_answers_miss_the_goal_and_refusals_do_not() -> None:
    busy = soaked(Service(lambda path, number: 503 if number % 5 == 0 else right(path, number)))
    assert busy.refused > 5
    assert busy.burst_answered == SMALL.burst  # a refused overlay comes again
    failing = soaked(Service(lambda path, _: 500 if "/predict" in path else right(path, 0)))
    assert any(name.endswith(": 500") for name in failing.wrong)
    assert not failing.goals()[0][2]


@pytest.mark.parametrize(
    ("late", "after", "met"),
    [
        (1030, 1100, (True, True)),
        (1040, 1100, (False, True)),
        (1000, 1200, (True, False)),
        (900, 990, (True, True)),
    ],
)
def test_memory_is_compared_after_the_requests_and_after_the_burst(
    late: int, after: int, met: tuple[bool, bool]
) -> None:
    result = SoakResult(
        early_bytes=1000, late_bytes=late, before_burst_bytes=1000, peak_bytes=9000, after_burst_bytes=after
    )
    assert tuple(goal[2] for goal in result.goals()[1:]) == met


def test_the_peak_and_the_time_until_it_is_over_are_measured() -> None:
    # The looks during the requests see 1000, those of the burst 5000, and later ones a falling memory.
    service = Service(right)
    burst = {"looks": 0}

    def memory(_look: int) -> int:
        if service.paths and "/overlay" in service.paths[-1] and "group=0" in service.paths[-1]:
            burst["looks"] += 1
            return 5000 if burst["looks"] == 1 else 1050
        return 1000

    result = soaked(service, memory)
    assert result.peak_bytes == 5000
    assert result.after_burst_bytes == 1050
    assert result.back_s is not None
    assert 0 <= result.back_s <= SMALL.settle_s + 0.5


def test_without_readable_memory_there_is_a_sentence() -> None:
    with pytest.raises(ServerStartError, match="needs Linux"):
        soaked(Service(right), lambda _look: None)


def test_the_mixture_has_every_size_and_kind_and_is_the_same_each_time() -> None:
    asked = mixture(BLOCK)
    assert [(one.name, one.data) for one in mixture(BLOCK)] == [(one.name, one.data) for one in asked]
    names = {one.name for one in asked}
    assert {
        "predict",
        "analyze, atlas",
        "masks",
        "overlay",
        "report",
        "gone in the upload",
        "no HTTP",
    } <= names
    assert len({one.data for one in asked if one.name == "predict"}) == len(SIZES_HERE) * len(FORMATS)
    assert all(one.data.count(b"\r\n\r\n") >= 1 for one in asked)
