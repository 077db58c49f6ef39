"""One spatial map for all channels, as CBAM and BAM make it."""

from __future__ import annotations

import torch
from torch import Tensor

from sge.nn.hooks import CapturableModule


class MapGate(CapturableModule):
    """Turns a map of logits into a mask; a module of its own so that a forward hook reads both."""

    def forward(self, logits: Tensor) -> Tensor:
        """(N, 1, H, W) to the same, between 0 and 1."""
        return torch.sigmoid(logits)
