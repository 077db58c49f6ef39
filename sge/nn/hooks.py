"""Forward hooks that belong to one open capture or edit, and that no copy or pickle of the network has."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, Self, TypeVar

import torch
from torch import nn
from torch.fx._symbolic_trace import is_fx_symbolic_tracing
from torch.nn.modules.module import _has_any_global_hook
from torch.utils.hooks import RemovableHandle

from sge.nn.scopes import Scope

_LOCK = threading.RLock()
"""Guards the hook counter of torch, which two threads could otherwise read at the same value."""
_STATE = "__getstate__"
_KINDS = ("_forward_hooks", "_forward_pre_hooks")

Read = Callable[[tuple[Any, ...], Any], None]
"""Called with a module's inputs and, after its forward pass, with its output (None before it)."""
Edit = Callable[[Any], Any]
"""Called with a module's output; what it returns replaces the output."""
Function = TypeVar("Function", bound=Callable[..., Any])


def is_traced() -> bool:
    """Whether torch.compile, torch.export, torch.jit.trace or fx records the running code for later."""
    return torch.compiler.is_compiling() or is_jit_traced() or is_fx_symbolic_tracing()


def is_jit_traced() -> bool:
    """Whether torch.jit.trace records the running code."""
    return bool(torch._C._get_tracing_state())


class TemporaryHook(Generic[Function]):
    """Forward hook or forward pre-hook of one module.

    Args:
        module: The module that the hook serves; shallow copies of it, such as the replicas of DataParallel, are not
            served.
        function: What the hook calls; None makes the hook inert, as the copies of a hook are.
        scope: The capture or edit that it belongs to.
        replicated: Called when a replica of the module runs.
    """

    def __init__(
        self,
        module: nn.Module | None = None,
        function: Function | None = None,
        scope: Scope | None = None,
        replicated: Callable[[], None] | None = None,
    ) -> None:
        self._module = module
        self._function = function
        self._scope = scope
        self._replicated = replicated

    def for_view(self, view: nn.Module) -> Self | None:
        """The same hook for a view of its module; None if the running code is outside of its scope."""
        if self._scope is None or not self._scope.is_here():
            return None
        return type(self)(view, self._function, self._scope, self._replicated)

    def _serving(self, module: nn.Module) -> Function | None:
        """The function to call for a pass of ``module``; None if the hook or the module is a copy."""
        if is_traced():
            return None  # A graph outlives the hook and must not contain it.
        if self._function is None:
            _remove(self, module)
        if module is self._module:
            return self._function
        if self._replicated is not None and getattr(module, "_is_replica", False):
            self._replicated()
        return None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()


class CaptureHook(TemporaryHook[Read]):
    """Passes on what one module computes."""

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], *rest: Any) -> None:
        """Passes the values on, unless the hook is a copy or the module is.

        ``rest`` is (named inputs, output). For a moment while another thread adds the hook, torch leaves the first out.
        """
        if (read := self._serving(module)) is not None:
            named = rest[0] if len(rest) == 2 else {}
            read((*inputs, *named.values()), rest[-1])


class CapturePreHook(TemporaryHook[Read]):
    """Passes on what one module is called with."""

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], *rest: Any) -> None:
        """As ``CaptureHook``, before the module runs; ``rest`` is (named inputs,)."""
        if (read := self._serving(module)) is not None:
            named = rest[0] if rest else {}
            read((*inputs, *named.values()), None)


class EditHook(TemporaryHook[Edit]):
    """Replaces the output of one module."""

    def __call__(self, module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
        """Returns the new output; None, which leaves the output, if the hook is a copy or the module is."""
        return None if (edit := self._serving(module)) is None else edit(output)


class Attached:
    """A hook on a module, until it is removed."""

    def __init__(self, module: nn.Module, handle: RemovableHandle) -> None:
        self._module = module
        self._handle = handle
        # pickle and copy ask the object for its state, not its class, and other people's classes stay as they are.
        module.__dict__[_STATE] = partial(_state_without_hooks, module)

    def remove(self) -> None:
        """Takes the hook off."""
        with _LOCK:
            self._handle.remove()
            if not any(isinstance(hook, TemporaryHook) for hook in _all_hooks(self._module)):
                self._module.__dict__.pop(_STATE, None)


def before_forward(module: nn.Module, read: Read, scope: Scope, replicated: Callable[[], None]) -> Attached:
    """Reads the inputs of every forward pass of ``module`` until the hook is removed."""
    hook = CapturePreHook(module, read, scope, replicated)
    with _LOCK:
        return Attached(module, module.register_forward_pre_hook(hook, with_kwargs=True))


def after_forward(module: nn.Module, read: Read, scope: Scope, replicated: Callable[[], None]) -> Attached:
    """Reads the inputs and the output of every forward pass of ``module`` until the hook is removed."""
    hook = CaptureHook(module, read, scope, replicated)
    with _LOCK:
        return Attached(module, module.register_forward_hook(hook, with_kwargs=True))


def replace_output(module: nn.Module, edit: Edit, scope: Scope) -> Attached:
    """Replaces the output of every forward pass of ``module`` until the hook is removed."""
    with _LOCK:
        return Attached(module, module.register_forward_hook(EditHook(module, edit, scope)))


def attached_hook(
    module: nn.Module, hook: TemporaryHook[Any], before: bool = False, always: bool = False
) -> Attached:
    """Calls a hook after every forward pass of ``module``, or before it with named inputs, until it is removed.

    With ``always``, also after a pass that failed.
    """
    with _LOCK:
        if before:
            return Attached(module, module.register_forward_pre_hook(hook, with_kwargs=True))  # type: ignore[arg-type]
        return Attached(module, module.register_forward_hook(hook, always_call=always))  # type: ignore[arg-type]


def carry_hooks(source: nn.Module, target: nn.Module) -> None:
    """Gives ``target`` the hooks of ``source`` that belong to the running code, each once."""
    for kind in _KINDS:
        hooks, with_names = getattr(target, kind), getattr(target, f"{kind}_with_kwargs")
        for key, hook in list(getattr(source, kind).items()):
            moved = hook.for_view(target) if isinstance(hook, TemporaryHook) else None
            if moved is not None:
                hooks[key] = moved
                if key in getattr(source, f"{kind}_with_kwargs"):
                    with_names[key] = True


def is_hooked(module: nn.Module) -> bool:
    """Whether anything is called when ``module`` is called, besides its own forward."""
    return bool(_all_hooks(module)) or not _is_plain(module)


def is_only_read(module: nn.Module) -> bool:
    """Whether all that is called with ``module`` leaves its output as it is: only hooks of captures."""
    return _is_plain(module) and all(
        isinstance(hook, CaptureHook | CapturePreHook) for hook in _all_hooks(module)
    )


def _is_plain(module: nn.Module) -> bool:
    hooked = module._backward_hooks or module._backward_pre_hooks or _has_any_global_hook()  # type: ignore[no-untyped-call]
    return not hooked and "forward" not in module.__dict__


def _state_without_hooks(module: nn.Module) -> dict[str, Any]:
    with _LOCK:
        state: dict[str, Any] = dict(type(module).__getstate__(module))  # type: ignore[no-untyped-call]
        state.pop(_STATE, None)
        for kind in _KINDS:
            hooks = state[kind]
            temporary = [key for key, hook in hooks.items() if isinstance(hook, TemporaryHook)]
            state[kind] = _without(hooks, temporary)
            for flags in (f"{kind}_with_kwargs", f"{kind}_always_called"):
                if flags in state:
                    state[flags] = _without(state[flags], temporary)
    return state


def _without(values: dict[int, Any], keys: list[int]) -> OrderedDict[int, Any]:
    return OrderedDict((key, value) for key, value in values.items() if key not in keys)


def _all_hooks(module: nn.Module) -> list[Any]:
    return [hook for kind in _KINDS for hook in getattr(module, kind).values()]


def _remove(hook: object, module: nn.Module) -> None:
    for kind in _KINDS:
        hooks = getattr(module, kind)
        for key in [key for key, other in hooks.items() if other is hook]:
            del hooks[key]
    module.__dict__.pop(_STATE, None)
