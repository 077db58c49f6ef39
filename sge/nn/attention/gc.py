"""Global Context block: Cao et al., ICCV workshops 2019, https://arxiv.org/abs/1904.11492."""

from __future__ import annotations

from torch import Tensor, nn

from sge.nn.attention.se import REDUCTION


class GlobalContext(nn.Module):
    """Adds to every place what the places together say (fig. 4d, eq. 4): pooled by softmax, fused by addition.

    Args:
        channels: Channels of the input; at least ``reduction``.
        reduction: How many times fewer the hidden ones are.
    """

    def __init__(self, channels: int, reduction: int = REDUCTION) -> None:
        super().__init__()
        hidden = channels // reduction
        self.attend = nn.Conv2d(channels, 1, 1)
        self.transform = nn.Sequential(
            nn.Conv2d(channels, hidden, 1),
            nn.LayerNorm([hidden, 1, 1]),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        weights = self.attend(x).flatten(2).softmax(2).transpose(1, 2)
        context = (x.flatten(2) @ weights).unsqueeze(3)
        out: Tensor = x + self.transform(context)
        return out
