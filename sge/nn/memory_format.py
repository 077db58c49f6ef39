"""In which memory format a network may be run to be fast."""

from __future__ import annotations

import torch
from torch import nn

from sge.nn.foreign import looks_foreign


def fast_format(network: nn.Module) -> torch.memory_format:
    """``channels_last``, in which convolutions are faster; ``contiguous_format`` for a network that may not take it.

    SGE modules of other people's code commonly reshape their features by ``view``, which refuses other formats.

    Args:
        network: Any network; it is not changed.
    """
    if any(looks_foreign(module) for module in network.modules()):
        return torch.contiguous_format
    return torch.channels_last
