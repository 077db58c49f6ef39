"""The single spatial map that CBAM and BAM compute for all channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MapGate(nn.Module):
    """Computes a mask from a map of logits. It is a module so that a forward hook can read both."""

    def forward(self, logits: Tensor, mask: Tensor | None = None) -> Tensor:
        """Sigmoid of the logits.

        Args:
            logits: (N, 1, H, W), any floating dtype.
            mask: The result where it is computed already; it is returned as it is, for hooks to read.

        Returns:
            Same shape and dtype, between 0 and 1.
        """
        return torch.sigmoid(logits) if mask is None else mask
