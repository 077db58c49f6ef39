"""The end of the server, in processes of their own whose application can hang in every way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from app.http_server import EXIT_S
from tests.app.limits.serving import WAIT_S, Wire, get, post
from tests.conftest import ROOT

SPARE_S = 10.0
"""What a busy machine may take in addition."""
PROGRAM = """
import os, socket, sys, threading, time
from app.http_server import exit_now, exit_on_signals, server_of
from app.settings import Settings
from tests.app.limits.serving import App

class Hanging(App):
    async def __call__(self, scope, receive, send):
        if scope.get("path") == "/block":  # the event loop itself
            time.sleep(60)
        if scope.get("path") == "/thread":  # a thread that the interpreter waits for at its end
            threading.Thread(target=time.sleep, args=(60,)).start()
        await super().__call__(scope, receive, send)

for drain_s in iter(sys.stdin.readline, ""):
    listening = socket.create_server(("127.0.0.1", 0))
    if child := os.fork():
        print(child, listening.getsockname()[1], flush=True)
        listening.close()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    else:
        exit_on_signals()
        server = server_of(Hanging(), Settings(drain_s=float(drain_s)))
        server.run([listening])
        exit_now(1 if server.cut_off else 0)
"""


@pytest.fixture(scope="module")
def parent() -> Iterator[subprocess.Popen[str]]:
    """The program above, which has imported everything and starts one server after the other."""
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as program:
        yield program
        program.kill()


class Process:
    """A server, and the time of its end."""

    def __init__(self, parent: subprocess.Popen[str], drain_s: float) -> None:
        assert parent.stdin is not None
        assert parent.stdout is not None
        self.said = parent.stdout
        print(drain_s, file=parent.stdin, flush=True)
        self.id, self.port = (int(number) for number in self.said.readline().split())

    def wire(self, *data: bytes) -> Wire:
        """A client that has sent something."""
        wire = Wire(socket.create_connection(("127.0.0.1", self.port), WAIT_S))
        wire.send(*data)
        return wire

    def end(self, *signals: signal.Signals) -> tuple[int, float]:
        """The exit code, and the seconds after the signals."""
        started = time.monotonic()
        for number in signals:
            os.kill(self.id, number)
            time.sleep(0.2)
        return int(self.said.readline()), time.monotonic() - started


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_what_is_idle_or_half_sent_ends_at_once(parent: subprocess.Popen[str], stop: signal.Signals) -> None:
    process = Process(parent, drain_s=60)
    silent, head = process.wire(), process.wire(b"GET / HT")
    body = process.wire(post("/", "Content-Length: 10"), b"half")
    idle, rest = process.wire(get("/")), process.wire(post("/early", "Content-Length: 10"), b"half")
    assert [idle.answer()[0], rest.answer()[0]] == [200, 413]
    code, seconds = process.end(stop)
    assert code == 0
    assert seconds < SPARE_S
    assert [wire.answer()[0] for wire in (silent, idle, rest)] == [0, 0, 0]
    assert [wire.answer()[0] for wire in (head, body)] == [503, 503]


def test_what_runs_longer_than_the_drain_is_told_so(parent: subprocess.Popen[str]) -> None:
    process = Process(parent, drain_s=0.5)
    running, unread = process.wire(get("/wait")), process.wire(get("/?n=30000000"))
    behind = process.wire(get("/wait"), get("/wait"))
    assert unread.socket.recv(10) == b"HTTP/1.1 2"
    code, seconds = process.end(signal.SIGTERM)
    assert code == 1
    assert 0.5 < seconds < 0.5 + EXIT_S + SPARE_S
    assert running.answer()[0] == 503
    assert behind.answer()[0] == 0


def test_a_second_signal_ends_at_once(parent: subprocess.Popen[str]) -> None:
    process = Process(parent, drain_s=60)
    wire = process.wire(get("/"), get("/wait"))
    assert wire.answer()[0] == 200
    code, seconds = process.end(signal.SIGTERM, signal.SIGINT)
    assert code == 128 + signal.SIGINT
    assert seconds < SPARE_S


@pytest.mark.parametrize(("path", "code"), [("/thread", 0), ("/block", 1)])
def test_neither_a_thread_nor_the_event_loop_delays_the_end(
    parent: subprocess.Popen[str], path: str, code: int
) -> None:
    process = Process(parent, drain_s=0.2)
    wire = process.wire(get(path))
    if path == "/thread":
        assert wire.answer()[0] == 200
    else:
        time.sleep(0.3)  # until it blocks
    got, seconds = process.end(signal.SIGTERM)
    assert got == code
    assert seconds < 0.2 + EXIT_S + SPARE_S
