"""Builds a network without memory for its weights, and ends as soon as it turns out to be too large."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch.overrides import TorchFunctionMode

MAX_NUMBERS = 4_000_000_000
"""Most numbers in a network's tensors: 16 GB in float32."""
MAX_TENSORS = 20_000
"""Most tensors that are made while a network is built."""
_SMALL = 1 << 16
"""Tensors of at most this many numbers are real, because some networks read them while they are built."""
_MAKERS = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange}
Made = TypeVar("Made")


class TooLargeError(Exception):
    """The network has more numbers or tensors than the budget allows."""


class _Budget(TorchFunctionMode):
    """Counts every tensor that is made; large ones, and those of ``torch.empty``, are made on the device ``meta``.

    Args:
        small: Numbers of a tensor that is still made as usual.
    """

    def __init__(self, small: int) -> None:
        super().__init__()
        self.small = small
        self.numbers = self.tensors = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _MAKERS:
            count = _count(func, args, kwargs)
            self.numbers += count
            self.tensors += 1
            if self.numbers > MAX_NUMBERS or self.tensors > MAX_TENSORS:
                raise TooLargeError
            if (func is torch.empty or count > self.small) and kwargs.get("device") is None:
                kwargs = kwargs | {"device": "meta"}
        return func(*args, **kwargs)


def _count(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Numbers of the tensor that a call makes."""
    if func is torch.arange:
        return abs(int(max((a for a in args if isinstance(a, int | float)), default=0)))
    sizes = kwargs.get("size", args[0] if args else ())
    shape = sizes if isinstance(sizes, list | tuple) else [a for a in args if isinstance(a, int)]
    return math.prod(max(0, int(side)) for side in shape)


def without_memory(make: Callable[[], Made]) -> Made:
    """Calls a function that builds a network, whose large tensors then have shapes and no numbers.

    Raises:
        TooLargeError: The network has more than ``MAX_NUMBERS`` numbers or ``MAX_TENSORS`` tensors.
    """
    with torch.random.fork_rng(devices=[]):
        try:
            with _Budget(_SMALL):
                return make()
        except (
            RuntimeError
        ):  # A network that runs itself while it is built needs all of its tensors on one device.
            with _Budget(-1):
                return make()
