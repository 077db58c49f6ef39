"""The pre-hook that begins a pass of a module of other people's code, whose masks go through a gate beside it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

from torch import nn

from sge.nn.foreign import is_trying
from sge.nn.hooks import TemporaryHook, carry_hooks

Begin = Callable[[nn.Module, tuple[Any, ...]], None]
"""Called with the module and its inputs, the named ones after the others."""


class PassHook(TemporaryHook[Begin]):
    """Begins a pass of one module."""

    @staticmethod
    @abstractmethod
    def gate_of(module: nn.Module) -> nn.Module | None:
        """The gate that stands for the masks of a module; None for a module that is not recognized."""

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], *rest: Any) -> None:
        """``rest`` is (named inputs,)."""
        if (begin := self._serving(module)) is not None:
            named = rest[0] if rest else {}
            begin(module, (*inputs, *named.values()))

    def for_view(self, view: nn.Module) -> Self | None:
        """Also gives the view's gate the hooks of the module's gate."""
        if is_trying():
            return None
        moved = super().for_view(view)
        if moved is None or self._module is None:
            return moved
        source, target = self.gate_of(self._module), self.gate_of(view)
        if source is not None and target is not None:
            carry_hooks(source, target)
        return moved
