"""Builds a network without memory for its weights, and ends as soon as it turns out to be too large."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

MAX_NUMBERS = 4_000_000_000
"""Most numbers in a network's tensors: 16 GB in float32."""
MAX_COMPUTED = 1 << 27
"""Most numbers in the buffers that no weights file holds, such as tables of positions: 0.5 GB in float32."""
MAX_TENSORS = 20_000
"""Most tensors that are made while a network is built."""
_SMALL = 1 << 16
"""Tensors of at most this many numbers are real, because some networks read them while they are built."""
_RESULT = 4 * (1 << 22)
"""Bytes of a result that is still computed; a larger one has a shape and no numbers."""
_NO_RESULT = {"__get__", "__set__", "__deepcopy__", "__reduce_ex__", "__setstate__", "item", "tolist"}
"""Names of functions that make no tensor, or that may not be called twice."""
_MAKERS = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange}
Made = TypeVar("Made")


class TooLargeError(Exception):
    """The network has more numbers or tensors than the budget allows."""


class _Budget(TorchFunctionMode):
    """Counts every tensor that is made or computed; large ones, and those of ``torch.empty``, are on the device ``meta``.

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
            self.tensors += 1
            self._add(count)
            if (func is torch.empty or count > self.small) and kwargs.get("device") is None:
                kwargs = kwargs | {"device": "meta"}
            return func(*args, **kwargs)
        if getattr(func, "__name__", "") in _NO_RESULT:
            return func(*args, **kwargs)
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        if given and all(one.is_meta for one in given):
            made = func(*args, **kwargs)
            self._add(_new_bytes(made, given) // 4)
            return made
        return self._small(func, args, kwargs, given)

    def _small(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Tensor]) -> Any:
        """Computes a result whose size was found without numbers, unless that is large."""
        copies: Any = ()
        try:
            if given:
                copies = tree_map_only(Tensor, lambda one: one.detach().to("meta"), (args, kwargs))
                made = func(*copies[0], **copies[1])
            else:
                made = func(*args, **kwargs | {"device": "meta"})
        except Exception:  # The function needs numbers, or makes no tensor.
            return func(*args, **kwargs)
        if (size := _new_bytes(made, copies)) <= _RESULT:
            return func(*args, **kwargs)
        self._add(size // 4)
        return made

    def _add(self, numbers: int) -> None:
        self.numbers += numbers
        if self.numbers > MAX_NUMBERS or self.tensors > MAX_TENSORS:
            raise TooLargeError


def _new_bytes(made: Any, given: Any) -> int:
    """Bytes of the tensors that a function returns, without those that it was given; views of one tensor count once."""
    known, found = _stores(given), _stores(made)
    return sum(size for place, size in found.items() if place not in known)


def _stores(values: Any) -> dict[int, int]:
    """Where the numbers of tensors are, and their bytes."""
    stores = [one.untyped_storage() for one in tree_leaves(values) if isinstance(one, Tensor)]
    return {one._cdata: one.nbytes() for one in stores}


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
        TooLargeError: The network has, or computes while it is built, more than ``MAX_NUMBERS`` numbers, or has more than
            ``MAX_TENSORS`` tensors.
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


def check_computed(network: nn.Module) -> None:
    """Checks the size of buffers that no weights file holds, which a small file could claim.

    Raises:
        TooLargeError: They have more than ``MAX_COMPUTED`` numbers.
    """
    stored = network.state_dict().keys()
    if sum(one.numel() for name, one in network.named_buffers() if name not in stored) > MAX_COMPUTED:
        raise TooLargeError
