"""Replaces modules by their views in the values that a network keeps: containers, functions and objects.

A module can be reached not only by its parent's attribute: also from lists and named tuples, weak references, closures and
defaults of functions, and from objects of any class, such as a runner that holds the network.
"""

from __future__ import annotations

import copy
import weakref
from collections import deque
from contextlib import suppress
from enum import Enum
from functools import partial
from types import (
    CellType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

import torch
from torch import nn

from sge.nn.compiled import original_function

MAX_ITEMS = 1000
"""Largest container that is searched for modules of the network."""
MAX_DEPTH = 6
"""Number of containers, functions and objects inside each other that are searched."""
MAX_VALUES = 20_000
"""Number of values that are searched for one view."""
PLAIN = (
    type(None),
    bool,
    int,
    float,
    str,
    torch.Tensor,
    nn.Parameter,
    torch.Size,
    torch.device,
    torch.dtype,
)
"""Types of the values that refer to no module."""
_CONTAINERS = (list, tuple, set, frozenset, dict, deque)
_SHARED = (type, ModuleType, Enum, torch.Tensor)
"""What is never copied, whatever it refers to."""

Views = dict[int, nn.Module]
"""Identity of a module to its view."""


class References:
    """Replaces modules by their views in values of any kind, once for each value.

    Args:
        views: Of all modules of the network.
        objects: Also copy objects of other classes that refer to modules. Not for hooks: an object that records
            something in a hook is asked for it later.
    """

    def __init__(self, views: Views, objects: bool = True) -> None:
        self._views = views
        self._objects = objects
        self._done: dict[int, tuple[int, Any, Any]] = {}
        """Identity of a value to the depth at which it was searched, the value, and what takes its place."""
        self._left = MAX_VALUES

    def translated(self, value: Any, depth: int = 0) -> Any:
        """The value with each module of the network replaced by its view; the same object if there is none in it."""
        if type(value) in PLAIN or depth > MAX_DEPTH or isinstance(value, _SHARED):
            return value
        if isinstance(value, nn.Module):
            return self._views.get(id(value), value)
        known = self._done.get(id(value))
        if known is not None and known[0] <= depth:
            return known[2]
        self._left -= 1
        if self._left < 0:
            return value
        try:
            result = self._replaced(value, depth + 1)
        except Exception:  # A class of others whose objects refuse to be read or copied.
            result = value
        self._done[id(value)] = (depth, value, result)
        return result

    def _replaced(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if isinstance(value, weakref.ref):
            view = self._views.get(id(value()))
            return value if view is None else weakref.ref(view)
        if isinstance(value, _CONTAINERS):
            return self._items(value, depth)
        if kind is MappingProxyType:
            items = dict(value)
            seen = self._items(items, depth)
            return value if seen is items else MappingProxyType(seen)
        if kind is MethodType:
            function, owner = self._all([value.__func__, value.__self__], depth)
            same = function is value.__func__ and owner is value.__self__
            return value if same else MethodType(function, owner)
        if kind is partial:
            old = [value.func, value.args, value.keywords]
            new = self._all(old, depth)
            return value if _same(old, new) else partial(new[0], *new[1], **new[2])
        if (original := original_function(value)) is not None:
            return self.translated(original, depth)
        return self._function(value, depth) if kind is FunctionType else self._object(value, depth)

    def _all(self, values: list[Any], depth: int) -> list[Any]:
        return [value if type(value) in PLAIN else self.translated(value, depth) for value in values]

    def _items(self, value: Any, depth: int) -> Any:
        if not 0 < len(value) <= MAX_ITEMS:
            return value
        keyed = isinstance(value, dict)
        old = list(value.values()) if keyed else list(value)
        new = self._all(old, depth)
        if _same(old, new):
            return value
        if isinstance(value, tuple):
            return tuple.__new__(type(value), new)  # The __new__ of a named tuple takes the items one by one.
        if isinstance(value, frozenset):
            return frozenset(new)
        made = copy.copy(value)
        if keyed:
            made.update(zip(value, new, strict=True))
            return made
        made.clear()
        (made.update if isinstance(made, set) else made.extend)(new)
        return made

    def _function(self, function: FunctionType, depth: int) -> Any:
        try:
            cells = [cell.cell_contents for cell in function.__closure__ or ()]
        except ValueError:  # A cell that is still empty refers to nothing.
            return function
        old = [*cells, function.__defaults__, function.__kwdefaults__]
        new = self._all(old, depth)
        if _same(old, new):
            return function
        closure = tuple(CellType(item) for item in new[:-2]) if function.__closure__ else None
        made = FunctionType(function.__code__, function.__globals__, function.__name__, new[-2], closure)
        made.__kwdefaults__ = new[-1]
        made.__dict__.update(function.__dict__)
        return made

    def _object(self, value: Any, depth: int) -> Any:
        """A copy of an object of any class, if it refers to a module."""
        old = _values_of(value) if self._objects else {}
        if not 0 < len(old) <= MAX_ITEMS or hasattr(type(value), "__del__"):
            return value  # The end of a copy must not close what the object holds.
        new = dict(zip(old, self._all(list(old.values()), depth), strict=True))
        if _same(list(old.values()), list(new.values())):
            return value
        if type(value) is SimpleNamespace:
            return SimpleNamespace(**new)
        try:
            made = object.__new__(type(value))
            for name, item in new.items():
                object.__setattr__(made, name, item)
        except (TypeError, AttributeError):  # A class written in C, whose objects are not made in this way.
            return value
        return made


def values_in_slots(value: Any) -> dict[str, Any]:
    """What an object keeps in slots of its classes, by name."""
    found = {}
    for kind in type(value).__mro__:
        for name, member in vars(kind).items() if "__slots__" in vars(kind) else ():
            if isinstance(member, MemberDescriptorType):
                with suppress(AttributeError):  # The slot is empty.
                    found[name] = member.__get__(value)
    return found


def _values_of(value: Any) -> dict[str, Any]:
    try:
        state = dict(object.__getattribute__(value, "__dict__"))
    except (AttributeError, TypeError):
        state = {}
    return state | values_in_slots(value)


def _same(old: list[Any], new: list[Any]) -> bool:
    return all(one is other for one, other in zip(old, new, strict=True))
