"""Stand-ins for the tensors, classes and functions that a pickle names; none of them does anything."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

MAX_DIMENSIONS = 16


@dataclass(frozen=True)
class StorageRef:
    """Numbers in the file, under a key."""

    key: str
    dtype: torch.dtype | None
    """None for bytes whose dtype the tensor states."""
    numel: int
    """What the pickle claims; the file may hold less."""
    offset: int = 0
    """First number of a view, counted in numbers."""

    def __setstate__(self, _state: object) -> None:
        """Refuses the values that a pickle would put in place of those that were checked."""
        raise ValueError("a storage has a state")


@dataclass(frozen=True)
class TensorRef:
    """A tensor of the file before its numbers are read."""

    storage: StorageRef | None
    offset: int = 0
    shape: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    dtype: torch.dtype | None = None
    odd: str = ""
    """What is special about it, such as ``sparse``; empty for a plain tensor."""

    def __setstate__(self, _state: object) -> None:
        """Refuses the values that a pickle would put in place of those that were checked."""
        raise ValueError("a tensor has a state")

    def numel(self) -> int:
        """Number of elements, which may be more than the storage holds."""
        return math.prod(self.shape)


class Inert:
    """Stands for an instance of a class that the pickle names. It keeps nothing and does nothing."""

    type_name = ""
    """Full name of the class."""
    __slots__ = ()

    def __new__(cls, *_args: object, **_kwargs: object) -> Inert:
        """Ignores the arguments."""
        return object.__new__(cls)

    def __init__(self, *_args: object, **_kwargs: object) -> None: ...

    def __setstate__(self, _state: object) -> None: ...

    def __setitem__(self, _key: object, _value: object) -> None: ...

    def append(self, _item: object) -> None:
        """Ignores an item."""

    def extend(self, _items: object) -> None:
        """Ignores items."""


class InertDict(dict[Any, Any]):
    """Stands for an ``OrderedDict``, a ``defaultdict`` and other dictionaries; it keeps the items."""

    count: Callable[[int], None]
    """Called with the number of items that are copied; one list of a file can be named many times."""

    def __new__(cls, *_args: object, **_kwargs: object) -> InertDict:
        """Makes an empty dictionary."""
        return dict.__new__(cls)

    def __init__(self, *args: object, **_kwargs: object) -> None:
        super().__init__()
        pairs = next((a for a in args if isinstance(a, list | dict)), [])
        self.count(len(pairs))
        for pair in pairs.items() if isinstance(pairs, dict) else pairs:
            if isinstance(pair, list | tuple) and len(pair) == 2:
                self[safe_key(pair[0])] = pair[1]

    def __setstate__(self, _state: object) -> None: ...


class Rebuild:
    """Stands for a function of the pickle; calling it calls a function of this module."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., object]) -> None:
        self._make = make

    def __call__(self, *args: object) -> object:
        """Calls the function of this module."""
        return self._make(*args)

    def __setstate__(self, _state: object) -> None: ...


@dataclass(frozen=True)
class StorageType:
    """Stands for a class of storages."""

    dtype: torch.dtype | None

    def __setstate__(self, _state: object) -> None: ...


def safe_key(key: object) -> object:
    """Returns a key that can be hashed quickly: hashing nested tuples of a file can take for ever or end the process.

    So can a dictionary with large whole numbers: Python does not keep a file from choosing those of equal hashes.
    """
    if isinstance(key, int) and abs(key) >= 1 << 60:
        return "<large int>"
    return key if isinstance(key, str | int | float | bytes | None) else f"<{type(key).__name__}>"


DTYPES = {
    "Float": torch.float32,
    "Double": torch.float64,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
    "ComplexFloat": torch.complex64,
    "ComplexDouble": torch.complex128,
    "QInt8": torch.qint8,
    "QUInt8": torch.quint8,
    "QInt32": torch.qint32,
}


QUANTIZED = (torch.qint8, torch.quint8, torch.qint32)
"""Their numbers mean nothing without scales; the dtypes are known because their sizes are."""


def small_shape(value: object) -> tuple[int, ...]:
    """Returns a shape, strides or other numbers of a tensor after a check of their types, count and range.

    Raises:
        ValueError: It is no short list of numbers from 0 to 2^48.
    """
    if not isinstance(value, list | tuple) or len(value) > MAX_DIMENSIONS:
        raise ValueError("a shape is no short list of numbers")
    if not all(type(n) is int and 0 <= n < 1 << 48 for n in value):
        raise ValueError("a shape has a number that is out of range")
    return tuple(value)


def _plain(
    storage: object,
    offset: object,
    size: object,
    stride: object,
    *rest: object,
    dtype: torch.dtype | None = None,
) -> TensorRef:
    """``_rebuild_tensor`` and ``_rebuild_tensor_v2``; of the rest, only a set conj or neg flag matters."""
    if isinstance(storage, Inert):  # pickle.dump writes storages as files within the file
        return TensorRef(None, odd="written by pickle.dump")
    if not isinstance(storage, StorageRef):
        raise TypeError("a tensor has no storage")
    flags = rest[2] if len(rest) > 2 and isinstance(rest[2], dict) else {}
    odd = "conjugated or negated" if any(flags.values()) else ""
    odd = "quantized" if (dtype or storage.dtype) in QUANTIZED else odd
    (start,) = small_shape((offset,))
    return TensorRef(storage, start, small_shape(size), small_shape(stride), dtype or storage.dtype, odd)


def _v3(storage: object, offset: object, size: object, stride: object, *rest: Any) -> TensorRef:
    dtype = rest[2] if len(rest) > 2 else None
    if not isinstance(dtype, torch.dtype):
        raise TypeError("a tensor has no dtype")
    return _plain(storage, offset, size, stride, dtype=dtype)


def _first(tensor: object, *_rest: object) -> object:
    """``_rebuild_parameter`` and others that wrap a tensor."""
    return tensor


def _of_type(rebuild: object, _type: object, args: object, *_state: object) -> object:
    """``_rebuild_from_type_v2``: a tensor with attributes."""
    if not isinstance(rebuild, Rebuild) or not isinstance(args, tuple):
        raise TypeError("a tensor has no function that rebuilds it")
    return rebuild(*args)


def _odd(kind: str) -> Callable[..., TensorRef]:
    return lambda *_args: TensorRef(None, odd=kind)


REBUILD: dict[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": _plain,
    "torch._utils._rebuild_tensor_v2": _plain,
    "torch._utils._rebuild_tensor_v3": _v3,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch.nn.parameter.Parameter": _first,
    "torch.nn.parameter.Buffer": _first,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _first,
    "torch._utils._rebuild_device_tensor_from_numpy": _odd("of another device"),
    "torch._utils._rebuild_xla_tensor": _odd("of another device"),
    "torch._utils._rebuild_qtensor": _odd("quantized"),
    "torch._utils._rebuild_sparse_tensor": _odd("sparse"),
    "torch._utils._rebuild_sparse_csr_tensor": _odd("sparse"),
    "torch._utils._rebuild_nested_tensor": _odd("nested"),
    "torch._utils._rebuild_meta_tensor_no_storage": _odd("without numbers"),
    "torch._utils._rebuild_wrapper_subclass": _odd("of a subclass"),
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "torch._tensor._rebuild_from_type": _of_type,
}
