"""SGE modules as other repositories have them, written here in the styles that circulate, and modules that only look so."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ByViews(nn.Module):
    """Folds the groups into the batch; children for pooling and sigmoid; bias 0 and 8 groups."""

    def __init__(self, groups: int = 8, eps: float = 1e-5) -> None:
        super().__init__()
        self.groups = groups
        self.eps = eps
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.weight = nn.Parameter(torch.zeros(1, groups, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, groups, 1, 1))
        self.act = nn.Sigmoid()

    def product(self, x: Tensor) -> Tensor:
        return (x * self.pool(x)).sum(1)

    def scaled(self, t: Tensor) -> Tensor:
        return t / (t.std(1, keepdim=True) + self.eps)

    def forward(self, x: Tensor) -> Tensor:
        rows, channels, height, width = x.shape
        parts = x.view(rows * self.groups, -1, height, width)
        t = self.product(parts).flatten(1)
        t = self.scaled(t - t.mean(1, keepdim=True)).view(rows, self.groups, height, width)
        mask = self.act(t * self.weight + self.bias)
        return (parts * mask.view(-1, 1, height, width)).view(rows, channels, height, width)


class ByEinsum(nn.Module):
    """Functional, with flat parameters of other names."""

    def __init__(self, groups: int = 4) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(groups))
        self.beta = nn.Parameter(torch.zeros(groups))

    def forward(self, x: Tensor) -> Tensor:
        parts = x.reshape(len(x), len(self.gamma), -1, *x.shape[2:])
        c = torch.einsum("ngk,ngkhw->nghw", parts.mean((3, 4)), parts)
        t = (c - c.mean((2, 3), keepdim=True)) / (c.std((2, 3), keepdim=True) + 1e-5)
        mask = torch.sigmoid(t * self.gamma[:, None, None] + self.beta[:, None, None])
        return torch.einsum("ngkhw,nghw->ngkhw", parts, mask).reshape(x.shape)


class Volumetric(nn.Module):
    """Parameters of five dimensions, a variance with eps as batch norms have it, shift named first."""

    def __init__(self, groups: int = 4) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.zeros(1, groups, 1, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, groups, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        parts = x.unflatten(1, (self.beta.shape[1], -1))
        c = (parts * parts.mean((3, 4), keepdim=True)).sum(2, keepdim=True)
        t = F.layer_norm(c, c.shape[-2:], eps=1e-3)
        return (parts * torch.sigmoid(t * self.gamma + self.beta)).flatten(1, 2)


class Interleaved(nn.Module):
    """Groups as a channel shuffle leaves them, in place."""

    def __init__(self, groups: int = 4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, groups, 1, 1))
        self.bias = nn.Parameter(torch.ones(1, groups, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        parts = x.reshape(len(x), -1, self.weight.shape[1], *x.shape[2:])
        c = (parts * parts.mean((3, 4), keepdim=True)).sum(1)
        t = (c - c.mean((2, 3), keepdim=True)) / (c.std((2, 3), keepdim=True) + 1e-5)
        mask = torch.sigmoid(t * self.weight + self.bias)
        return x.mul_(mask.repeat(1, parts.shape[1], 1, 1))


class Biased(ByViews):
    """Divides by the biased deviation."""

    def scaled(self, t: Tensor) -> Tensor:
        return t / (t.std(1, keepdim=True, correction=0) + self.eps)


class Averaged(ByViews):
    """Averages the products of a group's channels."""

    def product(self, x: Tensor) -> Tensor:
        return (x * self.pool(x)).mean(1)


class Single(ByViews):
    """Computes the statistics in float32, whatever it is given."""

    def scaled(self, t: Tensor) -> Tensor:
        return super().scaled(t.float())


class Clamped(ByViews):
    """Has a floor below the deviation, which is no formula that is known."""

    def scaled(self, t: Tensor) -> Tensor:
        return t / t.std(1, keepdim=True).clamp_min(self.eps)


class Residual(ByViews):
    """Adds the features to the masked ones."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class Doubled(ByViews):
    """Multiplies by twice the masks."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class Pooled(ByViews):
    """Multiplies each group by one number."""

    def forward(self, x: Tensor) -> Tensor:
        numbers = self.pool(x).unflatten(1, (self.groups, -1)).mean(2)
        mask = torch.sigmoid(numbers * self.weight + self.bias)
        return (x.unflatten(1, (self.groups, -1)) * mask.unsqueeze(2)).flatten(1, 2)


class AcrossBatch(ByViews):
    """Standardizes over the whole batch."""

    def scaled(self, t: Tensor) -> Tensor:
        return t / (t.std() + self.eps)


class Affine(nn.Module):
    """Scales and shifts each channel."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + self.bias


class Running(ByViews):
    """Has statistics that are saved."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))


class Raising(ByViews):
    """Cannot be run."""

    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("not today")


class Drawing(ByViews):
    """Draws random numbers and notes what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        torch.rand(3)
        self.last = x
        self.seen.append(x)
        return super().forward(x)


KINDS = (ByViews, ByEinsum, Volumetric, Interleaved, Biased, Averaged, Single, Residual)
NOT_SGE = (Clamped, Doubled, Pooled, AcrossBatch, Affine, Running, Raising)


def network_with(module: nn.Module, channels: int = 16, classes: int = 5) -> nn.Sequential:
    """A small network in eval mode with a module between its layers, whose parameters are drawn."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, 2, 1), nn.BatchNorm2d(channels), module, nn.ReLU()]
    layers += [nn.Conv2d(channels, 8, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)]
    return nn.Sequential(*layers).eval()
