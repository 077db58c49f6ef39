"""Views of a network in eval mode: for one caller, without a change of the network itself.

A view has modules of its own that share the parameters, buffers and all other values of the network. Its mode, its hooks
and whatever its forward pass assigns belong to the view, so that several threads may run one network at the same time
while another thread trains it. Wrappers that only change how a network is run (torch.compile, DataParallel, activation
checkpointing) are left out: the view runs eagerly, as one pass over all rows.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

import torch
from torch import nn

from sge.errors import UnsupportedNetworkError
from sge.nn.compiled import is_sharded, original_function, wrapped_module
from sge.nn.hooks import TemporaryHook

MAX_ITEMS = 1000
"""Largest container that is searched for modules of the network."""
MAX_DEPTH = 6
"""Number of containers and functions inside each other that are searched."""
_OWN = ("_parameters", "_buffers")
_PLAIN = (
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
_RECOMPUTES = ("grad_checkpointing", "gradient_checkpointing")
"""Flags of timm and transformers: the backward pass runs parts of the network again, after captures and edits ended."""

_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
)
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
"""Values of torch's own, of which a view copies the parameters, buffers, children and forward hooks, and shares the rest."""

Views = dict[int, nn.Module]
"""Identity of a module to its view."""


def eval_view(network: nn.Module) -> nn.Module:
    """A view of the network in eval mode, as the network is now.

    Hooks are called with modules of the view. Captures and edits that the running code has opened on the network also
    apply to the view; those of others do not.

    Raises:
        UnsupportedNetworkError: FSDP splits the network's parameters.
    """
    views: Views = {}
    made: list[nn.Module] = []
    view = _view(network, views, made)
    for one in made:
        _translate(one, views)
    return view


def _view(module: nn.Module, views: Views, made: list[nn.Module]) -> nn.Module:
    if (known := views.get(id(module))) is not None:
        return known
    if is_sharded(module):
        raise UnsupportedNetworkError(
            f"FSDP splits the parameters of {type(module).__name__}, so that one process cannot run it alone. Load its "
            "full state dict into a network that is not wrapped, and give that one."
        )
    if isinstance(module, torch.jit.ScriptModule):
        views[id(module)] = copy.copy(module).eval()
        return views[id(module)]
    if (inner := wrapped_module(module)) is not None:
        views[id(module)] = _view(inner, views, made)
        return views[id(module)]
    view: nn.Module = object.__new__(type(module))
    views[id(module)] = view
    made.append(view)
    state = view.__dict__
    state.update(module.__dict__)
    state.pop("__getstate__", None)
    state["training"] = False
    state["_compiled_call_impl"] = None
    for name in _OWN:
        state[name] = state[name].copy()
    for name in _RECOMPUTES:
        if state.get(name) is True:
            state[name] = False
    children = list(module._modules.items())
    state["_modules"] = {
        name: None if child is None else _view(child, views, made) for name, child in children
    }
    return view


def _translate(view: nn.Module, views: Views) -> None:
    """Lets the values of a view refer to the views of modules in place of the modules."""
    state = view.__dict__
    for name in _HOOKS:
        state[name] = _hooks(view, state[name], views) if state[name] else OrderedDict()
    for name in state.keys() - _OF_EVERY_MODULE:
        value = state[name]
        if type(value) not in _PLAIN:
            state[name] = _translated(value, views)


def _hooks(view: nn.Module, hooks: dict[int, Any], views: Views) -> OrderedDict[int, Any]:
    kept: OrderedDict[int, Any] = OrderedDict()
    for key, hook in list(hooks.items()):
        moved = hook.for_view(view) if isinstance(hook, TemporaryHook) else _translated(hook, views)
        if moved is not None:
            kept[key] = moved
    return kept


def _translated(value: Any, views: Views, depth: int = 0) -> Any:
    """The value with each module of the network replaced by its view; the same object if there is none in it."""
    kind = type(value)
    if kind in _PLAIN or depth > MAX_DEPTH:
        return value
    if isinstance(value, nn.Module):
        return views.get(id(value), value)
    if kind in (list, tuple, set, dict, OrderedDict):
        return _translated_items(value, views, depth + 1)
    if kind is MethodType:
        function, owner = (_translated(part, views, depth + 1) for part in (value.__func__, value.__self__))
        same = function is value.__func__ and owner is value.__self__
        return value if same else MethodType(function, owner)
    if kind is partial:
        old = [value.func, value.args, value.keywords]
        new = [_translated(part, views, depth + 1) for part in old]
        return value if _same(old, new) else partial(new[0], *new[1], **new[2])
    if (original := original_function(value)) is not None:
        return _translated(original, views, depth + 1)
    return _translated_function(value, views, depth + 1) if kind is FunctionType else value


def _translated_items(value: Any, views: Views, depth: int) -> Any:
    if not 0 < len(value) <= MAX_ITEMS:
        return value
    kind = type(value)
    keyed = isinstance(value, dict)
    old = list(value.values()) if keyed else list(value)
    new = [item if type(item) in _PLAIN else _translated(item, views, depth) for item in old]
    if _same(old, new):
        return value
    return kind(zip(value, new, strict=True)) if keyed else kind(new)


def _translated_function(function: FunctionType, views: Views, depth: int) -> Any:
    try:
        old = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # A cell that is still empty refers to nothing.
        return function
    new = [_translated(item, views, depth) for item in old]
    if _same(old, new):
        return function
    cells = tuple(CellType(item) for item in new)
    made = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, cells
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__dict__.update(function.__dict__)
    return made


def _same(old: list[Any], new: list[Any]) -> bool:
    return all(one is other for one, other in zip(old, new, strict=True))
