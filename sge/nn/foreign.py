"""SGE modules of other people's code, recognized by what they compute and not by their class.

A module is a candidate if its own parameters are two of equal shape with one number for each group, nothing below it has
parameters, and it has no buffers that are saved. What it computes is then found by trying (``foreign_probe.py``), once
for each class and configuration.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
import torch.fx
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from sge.nn.foreign_probe import Found, Names, NoFormula, identify
from sge.nn.formula import Formula
from sge.nn.module import SpatialGate, SpatialGroupEnhance

MAX_KNOWN = 64
"""Configurations of one class whose result is kept."""
MAX_DEPTH = 3
"""Number of containers inside each other that are compared item by item."""
_PLAIN = (type(None), bool, int, float, str, bytes, torch.dtype, torch.device, torch.Size)
_OF_EVERY_MODULE = frozenset((*vars(nn.Module()), "__getstate__", "_compiled_call_impl"))
_NORMS = (nn.LayerNorm, nn.GroupNorm, _NormBase)
"""Norms have the parameters of SGE with one group for each channel; those of other libraries are subclasses."""
_USUAL = ("weight", "gamma", "scale", "w", "alpha")
"""Names of a scale, which is tried first under them."""

Value = TypeVar("Value")


class PerObject(Generic[Value]):
    """Values of objects that they do not keep alive; objects are told apart by identity."""

    def __init__(self) -> None:
        self._values: dict[int, Value] = {}

    def get(self, owner: Any) -> Value | None:
        """The value of an object, if it has one."""
        return self._values.get(id(owner))

    def set(self, owner: Any, value: Value) -> Value:
        """Gives an object a value unless it has one; returns the one that it has then."""
        kept = self._values.setdefault(id(owner), value)
        if kept is value:
            weakref.finalize(owner, self._values.pop, id(owner), None).atexit = False
        return kept


_KNOWN: PerObject[dict[Any, Found | str]] = PerObject()
"""Class to what its modules compute, by configuration; in place of that a clause if they compute no formula."""
_GATES: PerObject[SpatialGate] = PerObject()
_LOCK = threading.RLock()


class _Trying(threading.local):
    """Whether this thread tries a module at the moment, whose hooks are then left out."""

    now = False


_TRYING = _Trying()


class ForeignSGE:
    """A module of somebody else that computes SGE by a known formula; the module itself stays as it is.

    Captures and edits work on ``gate``, which ``driven.py`` calls in every pass of the module while one is open.

    Args:
        module: The module.
        found: What it computes.
    """

    channels: int | None = None
    """A module of somebody else does not state them."""

    def __init__(self, module: nn.Module, found: Found) -> None:
        self.module = module
        self.formula: Formula = found.formula
        self.names: Names = found.names
        self.in_place = found.in_place
        self.groups = found.formula.groups
        self.eps = found.formula.eps

    @property
    def weight(self) -> Tensor:
        """Scale of each group, (1, G, 1, 1): a view of the module's parameter."""
        return self.parameters[0].reshape(1, -1, 1, 1)

    @property
    def bias(self) -> Tensor:
        """Shift of each group, (1, G, 1, 1): a view of the module's parameter."""
        return self.parameters[1].reshape(1, -1, 1, 1)

    @property
    def parameters(self) -> tuple[nn.Parameter, nn.Parameter]:
        """The module's own two parameters: scale and shift, in their own shape."""
        scale, shift = (self.module._parameters[name] for name in self.names)
        assert scale is not None
        assert shift is not None
        return scale, shift

    @property
    def gate(self) -> SpatialGate:
        """Computes the mask while a capture or an edit is open; the same object for the same module."""
        with _LOCK:
            known = _GATES.get(self.module)
            return _GATES.set(self.module, SpatialGate().eval()) if known is None else known

    def __repr__(self) -> str:
        return f"ForeignSGE({type(self.module).__name__}: {self.formula})"


def foreign_sge(module: nn.Module) -> ForeignSGE | None:
    """The module as a ``ForeignSGE`` if it computes SGE and is none of this package; otherwise None.

    The first module of a class and configuration is tried on drawn features, which takes some milliseconds. Nothing about
    it changes.
    """
    found = found_sge(module)
    return ForeignSGE(module, found) if isinstance(found, Found) else None


def looks_foreign(module: nn.Module) -> bool:
    """Whether a module has the parameters of an SGE module of somebody else, whatever it computes."""
    return _candidate(module) is not None


@contextmanager
def trying() -> Iterator[None]:
    """Context manager in which a module is tried: its hooks are left out."""
    outer, _TRYING.now = _TRYING.now, True
    try:
        yield
    finally:
        _TRYING.now = outer


def is_trying() -> bool:
    """Whether the running code is that of a module that is tried."""
    return _TRYING.now


def found_sge(module: nn.Module) -> Found | str | None:
    """What a module computes, a clause if that is no SGE, or None for a module that does not look like it."""
    shape = _candidate(module)
    if shape is None:
        return None
    with _LOCK:
        kind = type(module)
        known = _KNOWN.get(kind)
        if known is None:
            known = _KNOWN.set(kind, {})
        key = configuration(module)
        if key not in known:
            if len(known) >= MAX_KNOWN:
                known.clear()
            known[key] = _tried(module, math.prod(shape))
        return known[key]


def similar_modules(network: nn.Module) -> dict[str, str]:
    """Path to clause for the modules that have SGE's parameters, (1, G, 1, 1), and compute something else."""
    found = {path: (module, found_sge(module)) for path, module in network.named_modules()}
    return {
        path: why
        for path, (module, why) in found.items()
        if isinstance(why, str) and all(one is None or one.dim() > 1 for one in module._parameters.values())
    }


def _tried(module: nn.Module, groups: int) -> Found | str:
    if _saved_buffers(module):
        return "has buffers that are saved, as a norm with running statistics has"
    first, second = (name for name, value in module._parameters.items() if value is not None)
    names = (second, first) if second in _USUAL and first not in _USUAL else (first, second)
    with trying():
        try:
            return identify(module, names, groups)
        except NoFormula as why:
            return str(why)


def _candidate(module: nn.Module) -> torch.Size | None:
    """Shape of the two parameters of a module that looks like SGE."""
    own = [value for value in module._parameters.values() if value is not None]
    if len(own) != 2 or isinstance(
        module, SpatialGroupEnhance | torch.jit.ScriptModule | torch.fx.GraphModule
    ):
        return None
    if type(module).__module__.partition(".")[0] == "torch" or isinstance(module, _NORMS):
        return None
    if any(isinstance(one, nn.parameter.UninitializedParameter) for one in own):
        return None
    shape = own[0].shape
    fits = own[1].shape == shape and all(one.is_floating_point() for one in own)
    one_a_group = len(shape) == 1 or (len(shape) >= 4 and shape[1] == shape.numel())
    if not fits or not one_a_group or not shape.numel():
        return None
    if any(one is not None for child in module.children() for one in child.parameters()):
        return None
    return shape


def _saved_buffers(module: nn.Module) -> bool:
    return any(one._buffers.keys() - one._non_persistent_buffers_set for one in module.modules())


def configuration(module: nn.Module) -> Any:
    """What may decide about the computation of a module of a known class, as a key that keeps nothing alive."""
    own = tuple(
        (name, _key(value, 0)) for name, value in vars(module).items() if name not in _OF_EVERY_MODULE
    )
    parameters = tuple((name, None if one is None else one.shape) for name, one in module._parameters.items())
    buffers = tuple((name, _key(one, 0)) for name, one in module._buffers.items())
    children = tuple(
        (name, None if child is None else (type(child).__qualname__, configuration(child)))
        for name, child in module._modules.items()
    )
    return own, parameters, buffers, children


def _key(value: Any, depth: int) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Tensor):
        return "tensor"
    if isinstance(value, list | tuple | set | frozenset) and depth < MAX_DEPTH and len(value) <= MAX_KNOWN:
        return type(value).__name__, tuple(_key(item, depth + 1) for item in value)
    if isinstance(value, dict) and depth < MAX_DEPTH and len(value) <= MAX_KNOWN:
        return "dict", tuple((str(name), _key(item, depth + 1)) for name, item in value.items())
    try:
        reference = weakref.ref(value)
        hash(reference)
    except TypeError:
        return type(value).__qualname__
    return reference
