from __future__ import annotations

import asyncio
import contextlib
import platform
import time

import numpy as np
import pytest

from app.workers.limits import resident_bytes
from app.workers.memory import trim, trim_after_work

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other libraries keep no free memory"
)
SIZE, COUNT = 100_000, 1500
"""Blocks below the size from which glibc maps each one alone, so that free ones stay in its heap."""


def burst() -> tuple[int, np.ndarray]:
    """Uses memory and frees it except for the last block, which keeps the heap from shrinking by itself."""
    blocks = [np.ones(SIZE, np.uint8) for _ in range(COUNT)]
    return resident_bytes(), blocks[-1]


def test_memory_is_given_back_after_a_burst():
    trim()
    before = resident_bytes()
    peak, _last = burst()
    assert peak > before + 0.9 * SIZE * COUNT
    trim()
    assert resident_bytes() < before + 0.2 * SIZE * COUNT


def test_the_service_does_so_after_it_has_worked():
    async def work() -> None:
        trimming = asyncio.create_task(trim_after_work(0.05))
        await asyncio.sleep(0)
        before = resident_bytes()
        peak, _last = burst()
        assert peak > before + 0.8 * SIZE * COUNT
        end = time.process_time() + 0.15
        while time.process_time() < end:
            pass
        for _ in range(200):
            if resident_bytes() < before + 0.2 * SIZE * COUNT:
                break
            await asyncio.sleep(0.02)
        assert resident_bytes() < before + 0.2 * SIZE * COUNT
        trimming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await trimming

    asyncio.run(work())
