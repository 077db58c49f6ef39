"""Forward hooks that belong to one open capture and that no copy of the network keeps."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

_LOCK = threading.Lock()
"""Guards the hook counter of torch, which two threads could otherwise read at the same value."""

Read = Callable[[tuple[Any, ...], Any], None]
"""Called with a module's positional inputs and, after its forward pass, with its output (None before it)."""


class CaptureHook:
    """Forward hook or forward pre-hook that passes on what one module computes.

    A deep copy or a pickle of the hook is inert: it passes nothing on, and it leaves the copied module at that
    module's first call. ``CapturableModule`` does not copy it at all.

    Args:
        module: The module that is read; shallow copies of it, such as the replicas of DataParallel, are not.
        read: Receives the inputs and the output; None makes the hook inert.
    """

    def __init__(self, module: nn.Module | None = None, read: Read | None = None) -> None:
        self._module = module
        self._read = read

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any = None) -> None:
        """Passes the values on, unless the hook is a copy or the module is."""
        if torch.compiler.is_compiling():
            return  # A compiled graph outlives the capture and must not contain it.
        if self._read is None:
            _remove(self, module)
        elif module is self._module:
            self._read(inputs, output)

    def __deepcopy__(self, memo: dict[int, Any]) -> CaptureHook:
        return CaptureHook()

    def __reduce__(self) -> tuple[type[CaptureHook], tuple[()]]:
        return CaptureHook, ()


class CapturableModule(nn.Module):
    """Module whose copies and pickles do not include the hooks of an open capture."""

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[no-untyped-call]
        for kind in ("_forward_hooks", "_forward_pre_hooks"):
            kept = [(key, hook) for key, hook in state[kind].items() if not isinstance(hook, CaptureHook)]
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


def _remove(hook: CaptureHook, module: nn.Module) -> None:
    for hooks in (module._forward_hooks, module._forward_pre_hooks):
        for key in [key for key, other in hooks.items() if other is hook]:
            del hooks[key]
