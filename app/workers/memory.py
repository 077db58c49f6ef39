"""Gives memory back to the system. glibc keeps freed blocks for later, which after a burst are gigabytes.

The thresholds of glibc (``MALLOC_MMAP_THRESHOLD_`` and ``MALLOC_TRIM_THRESHOLD_``) do the same at every free; with them a
forward pass in torch takes twice as long, and decoding a small photo a fifth longer. Trimming now and then costs nothing
that could be measured.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import time
from collections.abc import Callable

PERIOD_S = 2.0
"""Seconds between two looks at whether the service has worked."""
_WORK_S = 0.1
"""Seconds of computing after which memory may have been freed."""


def trim() -> None:
    """Gives free memory back; does nothing with another C library than glibc."""
    if (function := _malloc_trim()) is not None:
        function(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None


async def trim_after_work(period_s: float = PERIOD_S) -> None:
    """Trims this process after each period in which it has worked, until it is cancelled."""
    worked = time.process_time()
    while True:
        await asyncio.sleep(period_s)
        now = time.process_time()
        if now - worked > _WORK_S:
            await asyncio.to_thread(trim)  # a few milliseconds, without Python's lock
            worked = time.process_time()
