"""The generator's counts are those of the server that it loads."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from sge.bench.service.load import Load, closed_loop, form, open_loop, post

Answering = Callable[[int], Awaitable[bytes | None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"


class Server:
    """Answers the requests by their number; None closes the connection."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.paths: Counter[str] = Counter()
        self.bodies: set[bytes] = set()
        self.connections = 0
        self.most = self.now = 0

    async def handle(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                self.bodies.add(await reader.readexactly(length))
                number = self.paths.total()
                self.paths[head.split()[1]] += 1
                self.now += 1
                self.most = max(self.most, self.now)
                answer = await self.answering(number)
                self.now -= 1
                if answer is None:
                    return
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


def measured(answering: Answering, load: Callable[[int], Awaitable[Load]]) -> tuple[Load, Server]:
    async def run() -> tuple[Load, Server]:
        server = Server(answering)
        listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
        result = await load(listening.sockets[0].getsockname()[1])
        listening.close()
        return result, server

    return asyncio.run(run())


def requests(number: int = 2) -> list[bytes]:
    return [post(f"/p{n}", "127.0.0.1", b"x" * n) for n in range(number)]


async def quick(_number: int) -> bytes:
    await asyncio.sleep(0.005)
    return OK


@pytest.mark.parametrize("clients", [1, 5])
def test_a_closed_loop_asks_again_when_it_is_answered(clients):
    load, server = measured(quick, lambda port: closed_loop(port, requests(), clients, 0.3))
    asked = server.paths.total()
    assert asked - clients <= len(load.latencies) <= asked  # answers after the end do not count
    assert server.most == server.connections == clients
    assert set(server.paths) == {"/p0", "/p1"}
    assert load.rate == pytest.approx(len(load.latencies) / 0.3)
    assert min(load.latencies) >= 0.005
    assert load.refused == load.failed == 0


def test_a_refused_client_waits_as_long_as_it_is_told():
    async def busy(_number: int) -> bytes:
        return BUSY

    load, server = measured(busy, lambda port: closed_loop(port, requests(), 3, 0.3))
    assert load.refused == server.paths.total() == 3
    assert load.quantile(0.5) is None


def test_broken_connections_are_failures_and_are_made_anew():
    async def every_other(number: int) -> bytes | None:
        return OK if number % 2 else None

    load, server = measured(every_other, lambda port: closed_loop(port, requests(), 1, 0.4))
    assert load.failed >= 2
    assert len(load.latencies) >= 2
    assert server.connections == load.failed + 1 or server.connections == load.failed


def test_nobody_listens():
    load = asyncio.run(closed_loop(9, requests(), 2, 0.15))
    assert load.failed >= 2
    assert load.rate == 0


def test_an_open_loop_does_not_wait_for_a_server_that_stalls():
    """Latency runs from the time a request was due: one stall is seen by everyone who came during it."""

    async def stalls(number: int) -> bytes:
        await asyncio.sleep(0.3 if number < 5 else 0)
        return OK

    load, server = measured(stalls, lambda port: open_loop(port, requests(), 100, 0.4, seed=1))
    assert len(load.latencies) == server.paths.total()
    assert 15 <= len(load.latencies) <= 80  # a Poisson process with mean 40
    assert server.most >= 5
    assert sum(latency >= 0.3 for latency in load.latencies) >= 5


def test_the_arrivals_of_a_seed_are_the_same():
    counts = {
        len(measured(quick, lambda port: open_loop(port, requests(), 200, 0.1, seed=3))[0].latencies)
        for _ in range(2)
    }
    assert len(counts) == 1


def test_a_form_holds_the_image():
    body, kind = form(b"\xff\xd8image")
    mark = kind.split("boundary=")[1].encode()
    assert body.startswith(b"--" + mark + b"\r\n")
    assert body.endswith(b"\r\n--" + mark + b"--\r\n")
    assert b"\r\n\r\n\xff\xd8image\r\n" in body


def test_quantiles_are_values_that_occurred():
    load = Load(latencies=[0.4, 0.1, 0.3, 0.2])
    assert (load.quantile(0), load.quantile(0.5), load.quantile(1)) == (0.1, 0.3, 0.4)
