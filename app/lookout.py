"""Looks now and then at who waits in vain, and ends that waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from .admission import Admission, Admissions
from .errors import ProblemError

LOOK_S = 0.25
"""Seconds between two looks, while anybody is admitted."""


class Lookout:
    """Refuses admitted requests while they wait, once they cannot be answered in time any more.

    Args:
        admissions: Says who these are.
    """

    def __init__(self, admissions: Admissions) -> None:
        self.admissions = admissions
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def over(self, admission: Admission) -> Iterator[None]:
        """Watches over a request that has just been admitted; in the task that answers it.

        Raises:
            ProblemError: 503 with the seconds after which the request will be taken; see ``Admissions.look``.
        """
        task, refusal = asyncio.current_task(), None
        assert task is not None

        def refuse(problem: ProblemError) -> None:
            nonlocal refusal
            if refusal is None:
                refusal = problem
                task.cancel()

        admission.refuse = refuse
        self._look_later()
        try:
            yield
        except asyncio.CancelledError:
            if refusal is not None and task.uncancel() == 0:
                raise refusal from None
            raise
        finally:
            admission.refuse = None

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        self._timer = None
        if self.admissions.count:
            self.admissions.look()
            self._look_later()
