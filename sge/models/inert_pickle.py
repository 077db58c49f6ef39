"""Reads the structure of a pickle without calling anything that the pickle names.

``torch.load(weights_only=True)`` calls the functions of an allow-list with arguments from the file, which can fill the
memory. Here every class and function of the file becomes an inert stand-in, so no argument reaches a real one. Tensors
become ``TensorRef``, whose numbers are read later, after their sizes were compared with what the file holds.
"""

from __future__ import annotations

import io
import pickle
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import torch

from sge.models.pickled_types import is_dict_like, is_harmless
from sge.models.stand_ins import (
    DTYPES,
    REBUILD,
    Inert,
    InertDict,
    Rebuild,
    StorageRef,
    StorageType,
    safe_key,
    small_shape,
)

MAX_OPERATIONS = 5_000_000
"""Most instructions of one pickle; a checkpoint of a large network with its optimizer has about 100,000."""

_Unpickler: Any = pickle._Unpickler  # Python's own in Python; the one in C has no hooks


MAX_TYPES = 1000
"""Most classes and functions that one pickle names."""


class TooLargeError(Exception):
    """The pickle has more instructions than ``MAX_OPERATIONS``."""


class BoundedReader:
    """A file that raises EOFError in place of a short read, and counts the reads.

    Args:
        file: A binary file, read from its current position.
        size: Number of bytes from there to its end.
    """

    def __init__(self, file: io.BufferedIOBase | BinaryIO, size: int) -> None:
        self._file, self._left, self._reads = file, size, 0

    def read(self, count: int) -> bytes:
        """Returns exactly ``count`` bytes."""
        self._reads += 1
        if self._reads > 2 * MAX_OPERATIONS:
            raise TooLargeError
        if not 0 <= count <= self._left:
            raise EOFError
        self._left -= count
        return self._file.read(count)

    def readline(self) -> bytes:
        """Returns one line with its end."""
        line = self._file.readline(65536)
        if not line.endswith(b"\n"):
            raise EOFError
        self._left -= len(line)
        return line

    def readinto(self, buffer: bytearray) -> int:
        """Fills a buffer; the unpickler asks for it."""
        buffer[:] = self.read(len(buffer))
        return len(buffer)


@dataclass
class Structure:
    """What a pickle holds."""

    root: object = None
    foreign: list[str] = field(default_factory=list)
    """Full names of classes and functions that are neither tensors nor known to be harmless."""
    storages: dict[str, StorageRef] = field(default_factory=dict)


def read_structure(reader: BoundedReader, structure: Structure | None = None) -> Structure:
    """Reads one pickle of any protocol.

    Args:
        reader: Positioned at the pickle; afterwards at its end.
        structure: Receives the content; a new one by default.

    Raises:
        EOFError: The pickle is cut off.
        TooLargeError: It has too many instructions.
        Exception: Any other one, of any type: the pickle is damaged.
    """
    structure = structure or Structure()
    structure.root = _InertUnpickler(reader, structure).load()
    return structure


class _InertUnpickler(_Unpickler):  # type: ignore[misc]
    """Python's unpickler with every class, function, set and unusual key replaced."""

    dispatch = _Unpickler.dispatch.copy()

    def __init__(self, reader: BoundedReader, structure: Structure) -> None:
        super().__init__(reader, encoding="latin1")
        self._structure = structure
        self._types: dict[str, object] = {}
        self._copied = 0

    def _count(self, copied: int) -> None:
        self._copied += copied
        if self._copied > MAX_OPERATIONS:
            raise TooLargeError

    def find_class(self, module: str, name: str) -> object:
        """Returns the stand-in for a class or function."""
        if self.proto < 3:  # torch writes protocol 2 by default, where classes have the names of Python 2
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        full = f"{module}.{name}"
        if full not in self._types:
            if len(self._types) >= MAX_TYPES:
                raise ValueError("a pickle names too many classes")
            self._types[full] = self._stand_in(module, name, full)
        return self._types[full]

    def _stand_in(self, module: str, name: str, full: str) -> object:
        if full in REBUILD:
            return Rebuild(REBUILD[full])
        if module.split(".")[0] == "torch" and name.endswith("Storage"):
            return StorageType(DTYPES.get(name.removesuffix("Storage")))
        # vars, because getattr would import the module of torch that the file names
        if module == "torch" and isinstance(dtype := vars(torch).get(name), torch.dtype):
            return dtype
        if full in ("torch.Size", "builtins.tuple"):
            return Rebuild(lambda *args: small_shape(args[0]) if args else ())
        if is_dict_like(full):
            return type("InertDict", (InertDict,), {"count": staticmethod(self._count)})
        if not is_harmless(full) and full not in self._structure.foreign:
            self._structure.foreign.append(full)
        return type("Inert", (Inert,), {"type_name": full, "__slots__": ()})

    def persistent_load(self, pid: object) -> object:
        """Returns the storage that a persistent id names; torch writes no other kind, but for sources of modules."""
        parts = pid if isinstance(pid, tuple) else ()
        if len(parts) >= 2 and parts[0] == "module":
            return parts[1]
        if len(parts) < 5 or parts[0] != "storage" or not isinstance(parts[1], StorageType):
            raise ValueError("a persistent id is no storage")
        key, (numel,) = str(parts[2]), small_shape((parts[4],))
        storage = StorageRef(key, parts[1].dtype, numel)
        known = self._structure.storages.setdefault(key, storage)
        if (known.numel, known.dtype or torch.uint8) != (numel, storage.dtype or torch.uint8):
            raise ValueError("a storage is claimed with two types or sizes")
        view = parts[5] if len(parts) > 5 else None
        if isinstance(view, tuple):
            start, length = small_shape(view[1:3])
            return StorageRef(key, storage.dtype, length, start)
        return storage

    def load_setitem(self) -> None:
        """SETITEM with a key that is quick to hash."""
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][safe_key(key)] = value

    def load_setitems(self) -> None:
        """SETITEMS with keys that are quick to hash."""
        items = self.pop_mark()
        target = self.stack[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[safe_key(key)] = value

    def load_dict(self) -> None:
        """DICT of protocol 0 with keys that are quick to hash."""
        items = self.pop_mark()
        self.append({safe_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)})

    def load_set(self) -> None:
        """EMPTY_SET: the items, which are ignored, would have to be hashed."""
        self.append(Inert())

    def load_additems(self) -> None:
        """ADDITEMS of a set that is ignored."""
        self.pop_mark()

    def load_frame(self) -> None:
        """FRAME: what follows is read without the frame's buffer, so that every instruction is counted."""
        self.read(8)

    def load_bytearray8(self) -> None:
        """BYTEARRAY8 without memory for bytes that are not there."""
        self.append(self.read(int.from_bytes(self.read(8), "little")))

    def load_frozenset(self) -> None:
        """FROZENSET of items that are ignored."""
        self.pop_mark()
        self.append(Inert())

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.EMPTY_SET[0]] = load_set
    dispatch[pickle.ADDITEMS[0]] = load_additems
    dispatch[pickle.FROZENSET[0]] = load_frozenset
    dispatch[pickle.FRAME[0]] = load_frame
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
