"""Long computations that end between two passes, once nobody waits for their results any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sge.errors import GivenUpError

_LEFT: ContextVar[Callable[[], bool] | None] = ContextVar("left", default=None)


@contextmanager
def given_up_when(left: Callable[[], bool]) -> Iterator[None]:
    """Ablations and attributions inside, in this thread, end before their next pass once ``left`` returns True.

    Args:
        left: Whether nobody waits any more; it is called before each pass and must be quick.

    Raises:
        GivenUpError: it returned True.
    """
    token = _LEFT.set(left)
    try:
        yield
    finally:
        _LEFT.reset(token)


def end_if_given_up() -> None:
    """Called between passes.

    Raises:
        GivenUpError: nobody waits for the result.
    """
    left = _LEFT.get()
    if left is not None and left():
        raise GivenUpError(
            "The computation was given up, because nobody waits for its result. Start it again."
        )
