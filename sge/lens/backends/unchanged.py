"""Whether a network still has the weights that it had before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


class Unchanged:
    """True while no parameter or buffer of a network was replaced or changed in place.

    torch counts the changes of a tensor. It does not count those through ``.data``, which are not noticed.

    Args:
        network: The network, as it is now.
    """

    def __init__(self, network: nn.Module) -> None:
        self._tensors = [
            (tensors, name, tensor, _state(tensor))
            for module in network.modules()
            for tensors in (module._parameters, module._buffers)
            for name, tensor in tensors.items()
            if tensor is not None
        ]

    def __bool__(self) -> bool:
        return all(
            tensors.get(name) is tensor and _state(tensor) == state
            for tensors, name, tensor, state in self._tensors
        )


def _state(tensor: Tensor) -> tuple[int, int]:
    # A tensor that was made in inference mode has no count, and cannot be changed outside of it.
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version
