"""Modules with spatial maps as other repositories have them, written here in the styles that circulate, and lookalikes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelGate(nn.Module):
    """Numbers of channels, (N, C, 1, 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Conv2d(channels, 4, 1), nn.ReLU(), nn.Conv2d(4, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.mlp(x.mean((2, 3), keepdim=True)) + self.mlp(F.adaptive_max_pool2d(x, 1)))


class MapOnly(nn.Module):
    """The spatial half of CBAM, which returns its map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return self.sigmoid(self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)))  # type: ignore[no-any-return]


class Cbam(nn.Module):
    """Both halves return what multiplies."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel_gate = ChannelGate(channels)
        self.spatial = MapOnly()

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.channel_gate(x)
        return self.spatial(x) * x  # type: ignore[no-any-return]


class InBlock(nn.Module):
    """A residual block that calls both halves itself and ends with a ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, channels, 3, 2, 1), nn.BatchNorm2d(channels)
        self.shortcut = nn.Conv2d(channels, channels, 1, 2)
        self.channel_gate, self.spatial = ChannelGate(channels), MapOnly()

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm(self.conv(x))
        out = self.channel_gate(out) * out
        return F.relu(self.spatial(out) * out + self.shortcut(x))


class SpatialGate(nn.Module):
    """Multiplies itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.sigmoid(self.conv(x))


class HardInPlace(SpatialGate):
    """Its map takes the place of the logits."""

    def forward(self, x: Tensor) -> Tensor:
        mask = self.conv(x)
        F.hardsigmoid(mask, inplace=True)
        return x * mask


class Guided(nn.Module):
    """A gate of a U-Net, which another map decides about; it comes first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.guide, self.own = nn.Conv2d(8, 4, 1), nn.Conv2d(channels, 4, 1)
        self.psi = nn.Sequential(nn.ReLU(), nn.Conv2d(4, 1, 1), nn.Sigmoid())

    def forward(self, guide: Tensor, x: Tensor) -> Tensor:
        return x * self.psi(self.guide(guide) + self.own(x))  # type: ignore[no-any-return]


class Bam(nn.Module):
    """One map for each channel, with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.numbers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.positions = nn.Conv2d(channels, 1, 3, padding=2, dilation=2)

    def forward(self, x: Tensor) -> Tensor:
        return (1 + torch.sigmoid(self.numbers(x) * self.positions(x))) * x


class MaxPooled(nn.Module):
    """Groups with a maximum in place of the mean, and a layer of its own: no SGE."""

    def __init__(self, _channels: int, groups: int = 4) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, groups)

    def forward(self, x: Tensor) -> Tensor:
        parts = x.unflatten(1, (self.norm.num_groups, -1))
        mask = torch.sigmoid(self.norm((parts * parts.amax((3, 4), keepdim=True)).sum(2)))
        return (parts * mask.unsqueeze(2)).flatten(1, 2)


class Swish(nn.Module):
    """An activation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.beta * x)


class Gated(nn.Module):
    """Multiplies other features than its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x) * torch.sigmoid(self.other(x))  # type: ignore[no-any-return]


class Head(SpatialGate):
    """Returns the map, as the head of a segmenter does."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(x))


class Squeeze(ChannelGate):
    """Squeeze-and-excitation."""

    def forward(self, x: Tensor) -> Tensor:
        return x * super().forward(x)


MAPS: dict[type[nn.Module], int] = {
    Cbam: 1,
    InBlock: 1,
    SpatialGate: 1,
    HardInPlace: 1,
    Bam: 16,
    MaxPooled: 4,
}
"""Modules to their number of maps for 16 channels."""
NO_MAPS = (Swish, Gated, Head, Squeeze, ChannelGate)
