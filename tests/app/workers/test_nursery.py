from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT

from .conftest import runs

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")
SERVICE = """
import os, pickle, signal, sys, time
from app.workers import nursery
from app.workers.limits import TaskLimits
from tests.app.workers import hostile
workers = [nursery.start_worker() for _ in range(2)]
order = pickle.dumps((hostile.burn, (), TaskLimits(0, 0, 0)))
workers[0].sock.sendall(len(order).to_bytes(8, "big") + order)
print(nursery._NURSERY._process.pid, *(worker.pid for worker in workers), flush=True)
time.sleep(0.3)
if sys.argv[1] == "stopped":
    for worker in workers:
        os.kill(worker.pid, signal.SIGSTOP)
    os.kill(nursery._NURSERY._process.pid, signal.SIGSTOP)
    nursery.end_workers()
    os._exit(0)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_no_worker_outlives_the_service(how):
    done = subprocess.run(
        [sys.executable, "-c", SERVICE, how],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    pids = [int(text) for text in done.stdout.split()]
    assert len(pids) == 3
    end = time.monotonic() + 10
    while any(runs(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    assert [pid for pid in pids if runs(pid)] == []
