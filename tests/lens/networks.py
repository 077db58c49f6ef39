"""Small networks with SGE whose later layers use a feature from before the block in different ways."""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor, nn

from sge.images.framing import Preprocess
from sge.lens.lens import Lens
from sge.models.model import Model
from sge.nn import SpatialGroupEnhance, insert_sge
from tests.conftest import fill

CLASSES = 5
LABELS = ["beagle", "crane", "crane", "maillot, tank suit", "tench, Tinca tinca"]


class Plain(nn.Module):
    """Two blocks one after the other; a subclass says how their outputs are used."""

    channels = 8

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 4, 1)
        self.first = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.first.add_module("sge", SpatialGroupEnhance(8, 4))
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.second.add_module("sge", SpatialGroupEnhance(8, 2))
        self.fc = nn.Linear(self.channels, CLASSES)

    def features(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(self.stem(x)).mean((2, 3)))


class Residual(Plain):
    """``out += identity``."""

    def features(self, x: Tensor) -> Tensor:
        out = self.first(x)
        out += x
        return self.second(out) + out


class InPlace(Plain):
    """``identity += out``, which has no place for more rows."""

    def features(self, x: Tensor) -> Tensor:
        x = x.clone()
        x += self.first(x)
        return self.second(x)


class Concat(Plain):
    """Dense connections, as in DenseNet."""

    channels = 24

    def features(self, x: Tensor) -> Tensor:
        one = self.first(x)
        return torch.cat([x, one, self.second(one)], 1)


class UNet(Plain):
    """A skip from an early feature past a coarse one."""

    channels = 16

    def features(self, x: Tensor) -> Tensor:
        coarse = self.second(nn.functional.max_pool2d(self.first(x), 2))
        return torch.cat([nn.functional.interpolate(coarse, x.shape[2:]), x], 1)


class Parallel(Plain):
    """Two branches that do not follow each other."""

    def features(self, x: Tensor) -> Tensor:
        return self.first(x) + self.second(x)


class OldBatchSize(Plain):
    """Merges the rows that come after the batch size was read, and gives the right number of rows in the end."""

    def features(self, x: Tensor) -> Tensor:
        count = len(x)
        tokens = self.first(x).flatten(2).transpose(1, 2).reshape(count, -1, 8)
        pooled = tokens.mean(1)[:, :, None, None]
        return self.second(x) + pooled


class BatchStatistics(Plain):
    """Normalizes by the statistics of the batch, so that a row depends on the others."""

    def __init__(self) -> None:
        super().__init__()
        self.second[1] = nn.BatchNorm2d(8, track_running_stats=False)


class FixedSize(Plain):
    """Takes one input size only."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(1, 8, 24, 24))

    def features(self, x: Tensor) -> Tensor:
        return super().features(x + self.position)


class InputInPlace(Plain):
    """Works in place on its input, which belongs to the caller."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(2).sub_(1))


class Twice(Plain):
    """Calls its first block twice, on maps of two sizes."""

    def features(self, x: Tensor) -> Tensor:
        return self.first(nn.functional.max_pool2d(self.second(self.first(x)), 2))


class Cached(Plain):
    """Keeps a table for each size of its input, which follows from the weights, in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[tuple[int, ...], Tensor] = {}

    def features(self, x: Tensor) -> Tensor:
        size = tuple(x.shape[2:])
        if size not in self.tables:
            self.tables[size] = torch.linspace(1, 2, x[0, 0].numel()).reshape(size)
        return super().features(x * self.tables[size])


class Unused(Plain):
    """Does not call its second block."""

    def features(self, x: Tensor) -> Tensor:
        return self.first(x)


def resnet() -> nn.Module:
    """torchvision's ResNet-18 with SGE of 16 groups."""
    return insert_sge(torchvision.models.resnet18(num_classes=CLASSES), 16)


WAYS = {
    Plain: "shared",
    Residual: "shared",
    Parallel: "shared",
    FixedSize: "shared",
    InputInPlace: "shared",
    InPlace: "batch",
    Concat: "batch",
    UNet: "batch",
    OldBatchSize: "batch",
    BatchStatistics: "single",
}
"""Network to the fastest way in which its ablations can be computed, if its first block is among the ablated ones."""


def lens_of(network: nn.Module, *, size: int = 96, precision: str = "auto") -> Lens:
    """The network, filled by rule with gates that act, as a lens."""
    model = Model("small", fill(network), list(LABELS), preprocess=Preprocess(resize=size, size=size))
    return Lens(model, "cpu", precision)
