"""`sge serve` as a process of its own: signals, exit codes and the log."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.server import let_idle_threads_rest, run
from app.settings import Settings
from tests.app.asking import jpeg
from tests.app.conftest import API, WAIT_S, until

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "sge", "serve", "--port", "0"]


class Process:
    """A running `sge serve` and its log."""

    def __init__(self, **settings: str) -> None:
        environment = {**os.environ, **settings}
        self.child = subprocess.Popen(
            COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        assert self.child.stderr is not None
        self.reader = threading.Thread(target=lambda: self.lines.extend(iter(self.child.stderr.readline, "")))
        self.reader.start()

    def event(self, start: str) -> dict[str, Any] | None:
        """The first log line whose event begins with ``start``."""
        read = (json.loads(line) for line in list(self.lines))
        return next((line for line in read if line["event"].startswith(start)), None)

    def wait_for(self, start: str) -> dict[str, Any]:
        until(lambda: self.child.poll() is not None or self.event(start))
        line = self.event(start)
        assert line is not None, "".join(self.lines)
        return line

    @property
    def port(self) -> int:
        return int(self.wait_for("listening")["url"].rsplit(":", 1)[1])

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=WAIT_S) as answer:
            return str(answer.read(), "utf-8")


@contextmanager
def serving(**settings: str) -> Iterator[Process]:
    process = Process(**settings)
    try:
        yield process
    finally:
        process.child.kill()
        process.child.wait(WAIT_S)
        process.reader.join(WAIT_S)
        process.child.stdout.close()  # type: ignore[union-attr]
        process.child.stderr.close()  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_requests_finish_and_exits_with_0(stop: signal.Signals) -> None:
    with ExitStack() as stack:
        process = stack.enter_context(serving(SGE_THREADS="1"))
        port = process.port
        idle, half, running = (
            stack.enter_context(socket.create_connection(("127.0.0.1", port), WAIT_S)) for _ in range(3)
        )
        process.wait_for("model ready")
        data = jpeg(size=(1600, 1200))
        head = f"POST {API}/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}"
        half.sendall(head.encode() + b"\r\n\r\n" + data[:100])
        running.sendall(head.encode() + b"\r\n\r\n" + data)
        until(lambda: "sge_connections 4.0" in process.get(f"{API}/metrics"))
        process.child.send_signal(stop)
        process.wait_for("Shutting down")
        with pytest.raises(OSError):  # noqa: PT011
            process.get(f"{API}/health/live")  # new connections are refused or reset
        assert received(idle) == b""
        assert received(half).startswith(b"HTTP/1.1 503")
        header, _, body = received(running).partition(b"\r\n\r\n")
        assert header.startswith(b"HTTP/1.1 200")
        assert b"server:" not in header.lower()
        assert json.loads(body)["image"]["width"] == 1600
        assert process.child.wait(WAIT_S) == 0
        process.reader.join(WAIT_S)
        assert process.event("request") is not None
        assert "Traceback" not in "".join(process.lines)
        assert process.child.stdout is not None
        assert process.child.stdout.read() == ""


def received(client: socket.socket) -> bytes:
    """Everything that comes until the server closes the connection."""
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data


@pytest.mark.slow
def test_a_wrong_setting_is_a_sentence_and_exit_code_2() -> None:
    environment = {**os.environ, "SGE_MAX_BYTES": "20 MiB"}
    done = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: SGE_MAX_BYTES is '20 MiB': ")
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.logs.configure", lambda: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("app.slots.load_model", lambda _name: pytest.fail("loaded"))


@pytest.mark.usefixtures("_in_this_process")
def test_a_taken_port_is_reported_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit) as caught:
        run(Settings(port=taken.getsockname()[1]))
    assert caught.value.code == 1
    sentence = capsys.readouterr().err
    assert "Address already in use. Set SGE_HOST or SGE_PORT" in sentence
    assert len(sentence.splitlines()) == 1


@pytest.mark.usefixtures("_in_this_process")
@pytest.mark.parametrize("host", ["no such host", "256.1.1.1", "::zz"])
def test_an_address_that_does_not_exist_is_reported(capsys: pytest.CaptureFixture[str], host: str) -> None:
    with pytest.raises(SystemExit) as caught:
        run(Settings(host=host))
    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith(f"error: {host} port 8000: ")


@pytest.mark.parametrize("given", [None, "ACTIVE"])
def test_threads_that_wait_for_each_other_leave_the_cores_to_others_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    let_idle_threads_rest()
    assert os.environ["OMP_WAIT_POLICY"] == (given or "PASSIVE")
