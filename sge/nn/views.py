"""Views of a network in eval mode: for one caller, without a change of the network itself.

A view has modules of its own that share the parameters, buffers and all other values of the network. Its mode, its hooks
and whatever its forward pass assigns belong to the view, so that several threads may run one network at the same time
while another thread trains it. Wrappers that only change how a network is run (torch.compile, DataParallel, activation
checkpointing) are left out: the view runs eagerly, as one pass over all rows.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from sge.errors import UnsupportedNetworkError
from sge.nn.compiled import is_sharded, wrapped_module
from sge.nn.hooks import TemporaryHook
from sge.nn.references import PLAIN, References, Views, values_in_slots

_OWN = ("_parameters", "_buffers")
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
    references, of_hooks = References(views), References(views, objects=False)
    for one in made:
        _translate(one, references, of_hooks)
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
    for name, value in values_in_slots(module).items():
        object.__setattr__(view, name, value)
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


def _translate(view: nn.Module, references: References, of_hooks: References) -> None:
    """Lets the values of a view refer to the views of modules in place of the modules."""
    state = view.__dict__
    for name in _HOOKS:
        state[name] = _hooks(view, state[name], of_hooks) if state[name] else OrderedDict()
    for name in state.keys() - _OF_EVERY_MODULE:
        value = state[name]
        if type(value) not in PLAIN:
            state[name] = references.translated(value)
    for name, value in values_in_slots(view).items():
        object.__setattr__(view, name, references.translated(value))


def _hooks(view: nn.Module, hooks: dict[int, Any], references: References) -> OrderedDict[int, Any]:
    kept: OrderedDict[int, Any] = OrderedDict()
    for key, hook in list(hooks.items()):
        moved = hook.for_view(view) if isinstance(hook, TemporaryHook) else references.translated(hook)
        if moved is not None:
            kept[key] = moved
    return kept
