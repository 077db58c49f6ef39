"""Servers as child processes: everything that they start is watched, paused and ended."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from sge.bench.service.processes import ServerProcess, ServerStartError

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
FAMILY = """
import subprocess, sys, time, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in sys.argv else signal.SIG_DFL)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def started(tmp_path: Path, *arguments: str) -> tuple[ServerProcess, int]:
    server = ServerProcess("family", [sys.executable, "-c", FAMILY, *arguments], {}, tmp_path / "log")
    while not (text := (tmp_path / "log").read_text()).endswith("\n"):
        server.check()
        time.sleep(0.01)
    return server, int(text)


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "gone"


def becomes(pid: int, *states: str) -> bool:
    """Whether a process is in one of the states soon; signals take effect a moment after they are sent."""
    until = time.monotonic() + 5
    while state(pid) not in states and time.monotonic() < until:
        time.sleep(0.01)
    return state(pid) in states


def test_the_tree_is_paused_and_ended_as_a_whole(tmp_path):
    server, child = started(tmp_path)
    assert server.tree() == sorted([server.pid, child])
    assert server.cpu_seconds() >= 0
    assert server.memory_bytes() > 1_000_000
    server.pause()
    assert becomes(server.pid, "T")
    assert becomes(child, "T")
    server.resume()
    assert becomes(server.pid, "S")
    assert becomes(child, "S")
    server.stop()
    assert becomes(server.pid, "gone", "Z")
    assert becomes(child, "gone", "Z")


def test_a_paused_server_can_be_stopped_and_an_orphan_is_found(tmp_path):
    server, child = started(tmp_path)
    assert child in server.tree()
    os.kill(server.pid, 9)
    server._process.wait()
    assert child in server.tree()
    server.pause()
    server.stop()
    assert becomes(child, "gone", "Z")


def test_a_server_that_ends_says_why(tmp_path):
    server = ServerProcess(
        "broken", [sys.executable, "-c", "raise SystemExit('no such port')"], {}, tmp_path / "log"
    )
    server._process.wait()
    with pytest.raises(ServerStartError, match="broken ended with status 1: no such port"):
        server.check()
    server.stop()
