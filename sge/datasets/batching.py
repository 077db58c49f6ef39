"""Inputs of one shape, brought together for one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

WAITING = 8
"""Batches' worth of inputs that may wait for others of their shape: memory stays bounded."""


def of_one_shape(inputs: Iterable[T], shape: Callable[[T], Hashable], batch: int) -> Iterator[list[T]]:
    """Inputs of one shape, at most ``batch`` together; the fullest go first when too many wait."""
    waiting: dict[Hashable, list[T]] = {}
    for one in inputs:
        same = waiting.setdefault(shape(one), [])
        same.append(one)
        if len(same) == batch:
            yield waiting.pop(shape(one))
        elif sum(map(len, waiting.values())) >= WAITING * batch:
            yield waiting.pop(max(waiting, key=lambda key: len(waiting[key])))
    yield from waiting.values()
