"""Lets captures and edits work on SGE modules of other people's code, whose masks no hook could reach.

While a capture or an edit is open, hooks on such a module compute similarity and mask from its input by the formula that
it has, and call the ``gate`` of its ``ForeignSGE`` with them, where all that reads and edits masks is hooked. The module
runs as it is. Its output is replaced only where a mask was edited, or where the graph of the masks is wanted.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sge.errors import ShapeError
from sge.nn.foreign import ForeignSGE, foreign_sge
from sge.nn.hooks import Attached, TemporaryHook, attached_hook, is_only_read
from sge.nn.module import check_features
from sge.nn.pass_hook import PassHook
from sge.nn.scopes import Scope

Finish = Callable[[nn.Module, Any], Any]


class _PreHook(PassHook):
    """Begins a pass of an SGE module."""

    @property
    def wants_graph(self) -> bool:
        """Whether its scope asks for gradients of masks."""
        return isinstance(self._function, partial) and bool(self._function.args[1])

    @staticmethod
    def gate_of(module: nn.Module) -> nn.Module | None:
        """As for every ``PassHook``."""
        block = foreign_sge(module)
        return None if block is None else block.gate


class _Hook(TemporaryHook[Finish]):
    """Ends a pass of the module."""

    def __call__(self, module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
        """The output that takes the place of the module's; None if that stays."""
        return None if (finish := self._serving(module)) is None else finish(module, output)


@dataclass
class _Pass:
    """One pass of a module in one thread."""

    module: weakref.ref[nn.Module]
    starter: Scope
    block: ForeignSGE
    x: Tensor
    mask: Tensor
    edited: bool
    joined: set[int] = field(default_factory=set)
    """Identity of the scopes whose hooks have been called."""
    out: Tensor | None = None


class _Passes(threading.local):
    """Passes that have begun in this thread, by the identity of their modules."""

    def __init__(self) -> None:
        self.of: dict[int, _Pass] = {}


_PASSES = _Passes()


def drive(block: ForeignSGE, scope: Scope, graph: bool = False) -> list[Attached]:
    """Calls the gate of a module of somebody else in its passes inside a scope, until the hooks are removed.

    Args:
        block: The module.
        scope: The capture or the edits.
        graph: Whether the output must depend on the mask that the gate is called with, for gradients.
    """
    begin, finish = partial(_begin, scope, graph), partial(_finish, scope)
    return [
        attached_hook(block.module, _PreHook(block.module, begin, scope), before=True),
        attached_hook(block.module, _Hook(block.module, finish, scope)),
    ]


def _begin(scope: Scope, graph: bool, module: nn.Module, inputs: tuple[Any, ...]) -> None:
    if not scope.is_here():
        return
    known = _PASSES.of.get(id(module))
    begun = known is not None and known.module() is module and known.starter.is_here()
    if known is None or not begun or id(scope) in known.joined:
        known = _PASSES.of[id(module)] = _new_pass(scope, module, inputs)
    known.joined.add(id(scope))
    if known.out is None and (graph or known.edited):
        known.out = known.block.formula.multiplied(known.x, known.mask)


def _new_pass(scope: Scope, module: nn.Module, inputs: tuple[Any, ...]) -> _Pass:
    block = foreign_sge(module)
    x = inputs[0] if inputs else None
    if block is None or not isinstance(x, Tensor):
        raise ShapeError(
            f"{type(module).__name__} was called without features (N, C, h, w) as its first input, so its masks cannot be "
            "read. Give it the feature map first."
        )
    check_features(x, block.groups, type(module).__name__)
    if block.in_place:
        x = x.clone()
    only_read = is_only_read(block.gate)
    hooks = list(module._forward_pre_hooks.values())
    graph = any(isinstance(hook, _PreHook) and hook.wants_graph for hook in hooks)
    # Without edits nobody needs a graph, unless a scope asks for it.
    with torch.set_grad_enabled(torch.is_grad_enabled() and (graph or not only_read)):
        mask = block.gate(block.formula.similarity(x), block.weight, block.bias)
    return _Pass(weakref.ref(module), scope, block, x, mask, not only_read)


def _finish(scope: Scope, module: nn.Module, output: Any) -> Any:
    known = _PASSES.of.get(id(module))
    if known is None or known.starter is not scope:
        return None
    del _PASSES.of[id(module)]
    out = known.out
    if out is None:
        return None
    if known.block.in_place and isinstance(output, Tensor) and output.shape == out.shape:
        return output.copy_(out)  # Who keeps the input expects it to be changed.
    return out
