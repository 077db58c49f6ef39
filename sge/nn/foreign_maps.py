"""Modules of other people's code that multiply features by a spatial map: CBAM, BAM and what works like them.

While a capture or an edit is open, the sigmoid of such a module that gives the map goes through the ``gate`` of its
``ForeignMap``, where all that reads and edits maps is hooked. The module runs as it is.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from sge.nn.attention import BottleneckAttention, ConvolutionalBlockAttention, MapGate
from sge.nn.compiled import clean_path
from sge.nn.foreign import MAX_KNOWN, PerObject, configuration, foreign_sge, found_sge, trying
from sge.nn.foreign_probe import Found
from sge.nn.hooks import Attached, TemporaryHook, attached_hook
from sge.nn.map_probe import FoundMap, SigmoidCalls, has_sigmoid, identify_map, with_maps
from sge.nn.module import SpatialGroupEnhance
from sge.nn.pass_hook import PassHook
from sge.nn.scopes import Scope

MAX_MODULES, MAX_NUMBERS = 40, 2**23
"""Modules inside each other, and numbers of their parameters; larger ones are not tried."""
_OTHERS = ("torch", "torchvision", "sge", "timm", "ultralytics.nn.tasks")
"""Packages whose modules are not tried, because they have no such maps or are of this package."""
_TRIED = "timm.layers.cbam"
_OWN = (SpatialGroupEnhance, BottleneckAttention, ConvolutionalBlockAttention)

_KNOWN: PerObject[dict[Any, FoundMap | str | None]] = PerObject()
"""Class to the maps of its modules, by configuration."""
_GATES: PerObject[MapGate] = PerObject()
_MENTIONS: PerObject[bool] = PerObject()
"""Class to whether its code names a sigmoid."""
_LOCK = threading.RLock()


class ForeignMap:
    """A module of somebody else that multiplies features by spatial maps; the module itself stays as it is.

    Args:
        module: The module.
        found: Which of its sigmoids gives the maps.
    """

    channels: int | None = None
    """A module of somebody else does not state them."""

    def __init__(self, module: nn.Module, found: FoundMap) -> None:
        self.module = module
        self.found = found
        self.groups = found.maps

    @property
    def gate(self) -> MapGate:
        """Receives logits and map while a capture or an edit is open; the same object for the same module."""
        with _LOCK:
            known = _GATES.get(self.module)
            return _GATES.set(self.module, MapGate().eval()) if known is None else known

    def __repr__(self) -> str:
        return f"ForeignMap({type(self.module).__name__}: {self.groups} spatial maps)"


def foreign_map(module: nn.Module) -> ForeignMap | None:
    """The module as a ``ForeignMap`` if it multiplies features by spatial maps and no module inside it does.

    The first module of a class and configuration is tried on drawn features. Nothing about it changes.
    """
    found = found_map(module)
    return ForeignMap(module, found) if isinstance(found, FoundMap) else None


def found_map(module: nn.Module) -> FoundMap | str | None:
    """The map of a module; a clause if it has a sigmoid over positions that is none; None if there is nothing to say."""
    if not _may_have_map(module):
        return None
    inside = [one for child in module.children() for one in child.modules()]
    if any(
        isinstance(one, _OWN) or foreign_sge(one) is not None or foreign_map(one) is not None
        for one in inside
    ):
        return None
    with _LOCK:
        known = _KNOWN.get(type(module))
        if known is None:
            known = _KNOWN.set(type(module), {})
        key = configuration(module)
        if key not in known:
            if len(known) >= MAX_KNOWN:
                known.clear()
            with trying():
                known[key] = identify_map(module)
        return known[key]


def foreign_report(network: nn.Module) -> dict[str, str]:
    """Says of each module that looks like spatial attention what it is, or why its masks are not read.

    Args:
        network: Any network; it is not changed.

    Returns:
        Path to a sentence, in the order of the network, for modules of other people's classes: with two parameters of one
        number for each group, as SGE has them, or with a sigmoid over the positions of features. Modules of this package
        and of torch, and norms, are not listed.
    """
    report = {}
    recognized: list[str] = []
    for path, module in network.named_modules():
        name, kind = clean_path(network, path), type(module).__name__
        if any(path.startswith(f"{outer}.") for outer in recognized):
            continue
        found = found_sge(module)
        other = found_map(module)
        if isinstance(found, Found):
            report[name] = f"{kind} is SGE: {found.formula}."
        elif isinstance(other, FoundMap):
            counted = "1 spatial map" if other.maps == 1 else f"{other.maps} spatial maps"
            not_sge = "" if found is None else f"; as SGE it is not used, because it {found}"
            report[name] = f"{kind} multiplies features by {counted}{not_sge}."
            recognized.append(path)
        elif found is not None:
            report[name] = f"{kind} is not used as SGE: it {found}."
        elif other is not None:
            report[name] = f"{kind} is not used as spatial attention: it {other}."
    return report


def _may_have_map(module: nn.Module) -> bool:
    kind = type(module)
    origin = kind.__module__
    if origin != _TRIED and any(origin == one or origin.startswith(f"{one}.") for one in _OTHERS):
        return False
    if isinstance(module, torch.jit.ScriptModule | torch.fx.GraphModule):
        return False
    if len(list(islice(module.modules(), MAX_MODULES + 1))) > MAX_MODULES or foreign_sge(module) is not None:
        return False
    if not 0 < sum(one.numel() for one in module.parameters() if not _is_lazy(one)) <= MAX_NUMBERS:
        return False
    if any(map(_is_lazy, module.parameters())):
        return False
    with _LOCK:
        mentions = _MENTIONS.get(kind)
        if mentions is None:
            mentions = _MENTIONS.set(kind, _mentions_sigmoid(kind))
    return mentions or has_sigmoid(module)


def _is_lazy(parameter: nn.Parameter) -> bool:
    return isinstance(parameter, nn.parameter.UninitializedParameter)


def _mentions_sigmoid(kind: type[nn.Module]) -> bool:
    functions = [
        value
        for one in kind.__mro__[: kind.__mro__.index(nn.Module)]
        for value in vars(one).values()
        if hasattr(value, "__code__")
    ]
    return any("sigmoid" in name.lower() for function in functions for name in function.__code__.co_names)


class _Routes(threading.local):
    """Passes that have begun in this thread, by the identity of their modules."""

    def __init__(self) -> None:
        self.of: dict[int, tuple[weakref.ref[nn.Module], Scope, SigmoidCalls]] = {}


_ROUTES = _Routes()


class _Enter(PassHook):
    """Begins a pass of a module with a spatial map."""

    @staticmethod
    def gate_of(module: nn.Module) -> nn.Module | None:
        """As for every ``PassHook``."""
        block = foreign_map(module)
        return None if block is None else block.gate


class _Leave(TemporaryHook[Callable[[nn.Module], None]]):
    """Ends a pass of the module, also one that failed."""

    def __call__(self, module: nn.Module, _inputs: tuple[Any, ...], _output: Any) -> None:
        """Leaves the output as it is."""
        if (finish := self._serving(module)) is not None:
            finish(module)


def route(block: ForeignMap, scope: Scope) -> list[Attached]:
    """Lets the map of a module of somebody else go through its gate inside a scope, until the hooks are removed."""
    module = block.module
    return [
        attached_hook(module, _Enter(module, partial(_begin, scope), scope), before=True),
        attached_hook(module, _Leave(module, partial(_finish, scope), scope), always=True),
    ]


def routed(block: ForeignMap, inputs: tuple[Any, ...]) -> SigmoidCalls:
    """Context manager in which the map of a pass goes through the gate of its module.

    Args:
        block: The module.
        inputs: Of the pass; the first tensor (N, C, h, w) are the features.
    """
    x = next((one for one in inputs if isinstance(one, Tensor) and one.dim() == 4), None)
    assert x is not None
    return SigmoidCalls(with_maps(block.gate, block.found, x))


def _begin(scope: Scope, module: nn.Module, inputs: tuple[Any, ...]) -> None:
    known = _ROUTES.of.get(id(module))
    if not scope.is_here() or (known is not None and known[0]() is module and known[1].is_here()):
        return
    block = foreign_map(module)
    if block is None:
        return
    calls = routed(block, inputs)
    calls.__enter__()  # type: ignore[no-untyped-call]
    _ROUTES.of[id(module)] = (weakref.ref(module), scope, calls)


def _finish(scope: Scope, module: nn.Module) -> None:
    known = _ROUTES.of.get(id(module))
    if known is None or known[1] is not scope:
        return
    del _ROUTES.of[id(module)]
    known[2].__exit__(None, None, None)  # type: ignore[no-untyped-call]
