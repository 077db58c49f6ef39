"""Which forward passes belong to an open capture or edit: those of the code inside its with block.

A scope belongs to one thread and one context. Each asyncio task has a context of its own, which a child task copies. A
generator has none: while it is suspended inside its with block, the code that drives it runs in the same context. Such
passes do not belong to the scope, unless contextlib drives the generator, because then it is a context manager and they
are the passes that it is meant for.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from contextvars import ContextVar
from types import CodeType, FrameType

from torch import nn

from sge.nn.compiled import force_eager, is_compiled, release_eager

_OPEN: ContextVar[tuple[Scope, ...]] = ContextVar("open scopes", default=())
"""Scopes that were opened in this context. A thread that copied the context may see those of another."""
_SUSPENDABLE = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_DRIVERS = ("contextlib", "_pytest.fixtures")
"""Modules that run a generator as a context manager."""
_PACKAGE = __name__.rpartition(".")[0]
"""This package, whose own context managers are not what opens a scope."""


class Scope:
    """The extent of one capture or of edits that were opened together.

    Args:
        network: The network whose passes are read or changed.
    """

    def __init__(self, network: nn.Module) -> None:
        self._members = frozenset(network.modules())
        self._compiled = is_compiled(network)
        self._thread = 0
        self._generator: tuple[int, CodeType] | None = None
        self.is_open = False

    def open(self) -> None:
        """Starts the extent. A compiled network runs eagerly until it ends, because only then it calls hooks."""
        self._thread = threading.get_ident()
        self._generator = _generator_outside()
        if self._compiled:
            force_eager()
        self.is_open = True
        _OPEN.set((*_open_here(), self))

    def close(self) -> None:
        """Ends the extent."""
        if not self.is_open:
            return
        self.is_open = False
        if self._compiled:
            release_eager()
        _OPEN.set(_open_here())

    def is_here(self) -> bool:
        """Whether the running code is inside."""
        return (
            self.is_open
            and self._thread == threading.get_ident()
            and self in _OPEN.get()
            and (self._generator is None or _is_running(*self._generator))
        )

    def misses_a_thread(self) -> bool:
        """Whether the running code is of another thread that has no scope on this network, so that it may be a part.

        DataParallel, for one, runs each part of a batch in a thread of its own.
        """
        if self._thread == threading.get_ident():
            return False
        return not any(
            scope.is_here() and not self._members.isdisjoint(scope._members) for scope in _OPEN.get()
        )


def current_task() -> int:
    """Number of the running asyncio task; 0 outside of tasks."""
    try:
        return id(asyncio.current_task())
    except RuntimeError:
        return 0


def _open_here() -> tuple[Scope, ...]:
    return tuple(scope for scope in _OPEN.get() if scope.is_open)


def _generator_outside() -> tuple[int, CodeType] | None:
    """The generator whose code opens the scope, by the identity of its frame; None for any other code."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (_is_wrapping(frame) or _is_context_manager(frame)):
        frame = frame.f_back
    if frame is None or not frame.f_code.co_flags & _SUSPENDABLE:
        return None
    return id(frame), frame.f_code  # The frame itself would keep an abandoned generator alive.


def _is_wrapping(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__"))
    return name in _DRIVERS or name.rpartition(".")[0] == _PACKAGE


def _is_context_manager(frame: FrameType) -> bool:
    driver = frame.f_back
    suspendable = frame.f_code.co_flags & _SUSPENDABLE
    return bool(suspendable) and driver is not None and driver.f_globals.get("__name__") in _DRIVERS


def _is_running(number: int, code: CodeType) -> bool:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if id(frame) == number and frame.f_code is code:
            return True
        frame = frame.f_back
    return False
