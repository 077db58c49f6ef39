"""Whether a network is still as it was before."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from sge.nn import TemporaryHook


class Unchanged:
    """True while a network computes what it computed before, as far as this can be seen without computing.

    No parameter or buffer was replaced or changed in place, no module was replaced, and no hook of the user's was added or
    removed. torch counts the changes of a tensor. It does not count those through ``.data``, which are not noticed, nor are
    other attributes of a module.

    Args:
        network: The network, as it is now.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._copied_changed = False
        self._modules = [
            (module, list(module._modules.values()), _hooks(module)) for module in network.modules()
        ]
        self._tensors = [
            (tensors, name, tensor, _state(tensor))
            for module in network.modules()
            for tensors in (module._parameters, module._buffers)
            for name, tensor in tensors.items()
            if tensor is not None
        ]

    def __getstate__(self) -> dict[str, Any]:
        return {"network": self._network, "changed": not self}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["network"])  # type: ignore[misc]  # A copy has tensors of its own.
        self._copied_changed = state["changed"]

    def __bool__(self) -> bool:
        return (
            not self._copied_changed
            and all(
                tensors.get(name) is tensor and _state(tensor) == state
                for tensors, name, tensor, state in self._tensors
            )
            and all(
                _same(list(module._modules.values()), children) and _same(_hooks(module), hooks)
                for module, children, hooks in self._modules
            )
        )


def _state(tensor: Tensor) -> tuple[int, int]:
    # A tensor that was made in inference mode has no count, and cannot be changed outside of it.
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version


def _hooks(module: nn.Module) -> list[object]:
    """Forward hooks of a module without those that captures and edits attach for the time of a pass."""
    if not (module._forward_hooks or module._forward_pre_hooks):
        return []
    hooks = (*module._forward_pre_hooks.values(), *module._forward_hooks.values())
    return [hook for hook in hooks if not isinstance(hook, TemporaryHook)]


def _same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
