"""Forward hooks that belong to one open capture or edit and that no copy of the network keeps."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

_LOCK = threading.Lock()
"""Guards the hook counter of torch, which two threads could otherwise read at the same value."""

Read = Callable[[tuple[Any, ...], Any], None]
"""Called with a module's positional inputs and, after its forward pass, with its output (None before it)."""
Edit = Callable[[Any], Any]
"""Called with a module's output; what it returns replaces the output."""
Function = TypeVar("Function", bound=Callable[..., Any])


class TemporaryHook(Generic[Function]):
    """Forward hook or forward pre-hook of one module, which no copy of the module keeps.

    A deep copy or a pickle of the hook is inert: it calls nothing, and it leaves the copied module at that module's
    first call. ``CapturableModule`` does not copy it at all.

    Args:
        module: The module that the hook serves; shallow copies of it, such as the replicas of DataParallel, are not
            served.
        function: What the hook calls; None makes the hook inert.
    """

    def __init__(self, module: nn.Module | None = None, function: Function | None = None) -> None:
        self._module = module
        self._function = function

    def _serving(self, module: nn.Module) -> Function | None:
        """The function to call for a pass of ``module``; None if the hook or the module is a copy."""
        if torch.compiler.is_compiling():
            return None  # A compiled graph outlives the hook and must not contain it.
        if self._function is None:
            _remove(self, module)
        return self._function if module is self._module else None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()


class CaptureHook(TemporaryHook[Read]):
    """Passes on what one module computes."""

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any = None) -> None:
        """Passes the values on, unless the hook is a copy or the module is."""
        if (read := self._serving(module)) is not None:
            read(inputs, output)


class EditHook(TemporaryHook[Edit]):
    """Replaces the output of one module."""

    def __call__(self, module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
        """Returns the new output; None, which leaves the output, if the hook is a copy or the module is."""
        return None if (edit := self._serving(module)) is None else edit(output)


class CapturableModule(nn.Module):
    """Module whose copies and pickles do not include the hooks of an open capture or edit."""

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[no-untyped-call]
        for kind in ("_forward_hooks", "_forward_pre_hooks"):
            kept = [(key, hook) for key, hook in state[kind].items() if not isinstance(hook, TemporaryHook)]
            state[kind] = OrderedDict(kept)
        return state


def before_forward(module: nn.Module, read: Read) -> RemovableHandle:
    """Reads the inputs of every forward pass of ``module`` until the handle is removed."""
    with _LOCK:
        return module.register_forward_pre_hook(CaptureHook(module, read))


def after_forward(module: nn.Module, read: Read) -> RemovableHandle:
    """Reads the inputs and the output of every forward pass of ``module`` until the handle is removed."""
    with _LOCK:
        return module.register_forward_hook(CaptureHook(module, read))


def replace_output(module: nn.Module, edit: Edit) -> RemovableHandle:
    """Replaces the output of every forward pass of ``module`` until the handle is removed."""
    with _LOCK:
        return module.register_forward_hook(EditHook(module, edit))


def _remove(hook: object, module: nn.Module) -> None:
    for hooks in (module._forward_hooks, module._forward_pre_hooks):
        for key in [key for key, other in hooks.items() if other is hook]:
            del hooks[key]
