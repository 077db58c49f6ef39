"""Global Context block: Cao et al., ICCV workshops 2019, https://arxiv.org/abs/1904.11492."""

from __future__ import annotations

from torch import Tensor, nn

from sge.nn.attention.se import REDUCTION


class GlobalContext(nn.Module):
    """Adds one global context vector, pooled by softmax attention, to every position (fig. 4d, eq. 4).

    timm's ``GlobalContext(channels, fuse_add=True, fuse_scale=False, rd_ratio=1/16)`` has the same parameters (28.105 M
    in a ResNet-50) and computes the same. It is not used because its keys differ from those of GC networks that were
    saved with this class, and because its last layer starts at 0.

    Args:
        channels: Channels of the input, at least ``reduction``.
        reduction: Factor by which the hidden layers have fewer channels.
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
        """Features plus their transformed global context.

        Args:
            x: (N, C, H, W), any floating dtype.

        Returns:
            Same shape and dtype.
        """
        weights = self.attend(x).flatten(2).softmax(2).transpose(1, 2)
        context = (x.flatten(2) @ weights).unsqueeze(3)
        out: Tensor = x + self.transform(context)
        return out
