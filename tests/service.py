"""A running service for tests that need a real one."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import ROOT

_TRIES = 240
_INTERVAL_S = 0.25


@contextmanager
def running_service(environment: dict[str, str]) -> Iterator[str]:
    """Runs ``sge serve`` on a free port until the block ends; yields its address, ``http://127.0.0.1:PORT``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "sge", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, address)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(process: subprocess.Popen[bytes], address: str) -> None:
    for _ in range(_TRIES):
        try:
            urllib.request.urlopen(f"{address}/api/v1/health/ready", timeout=5).close()
        except OSError:
            assert process.poll() is None, "sge serve has ended"
            time.sleep(_INTERVAL_S)
        else:
            return
    pytest.fail("sge serve was not ready within a minute")
