"""A small network with inactive gates, and images whose features vary."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sge.nn import SpatialGroupEnhance


class Block(nn.Module):
    """A convolution, a batch norm, an activation and SGE."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.act = nn.ReLU()
        self.sge = SpatialGroupEnhance(channels, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.sge(self.act(self.bn(self.conv(x))))


class InactiveNetwork(nn.Module):
    """Two blocks and a classifier of five classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Block(3, 8), Block(8, 16)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.second(self.first(x)).mean((2, 3)))


def inactive_network(seed: int = 0) -> InactiveNetwork:
    """Returns the network in eval mode, with random weights and non-trivial norm statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = InactiveNetwork()
        with torch.no_grad():
            network.fc.weight.mul_(8)  # makes the logits differ between images
            for block in (network.first, network.second):
                block.bn.running_mean.uniform_(-0.2, 0.2)
                block.bn.running_var.uniform_(0.3, 1)
    return network.eval()


class _ConstantGate(nn.Module):
    """What an inactive gate does, without SGE."""

    def __init__(self, gate: SpatialGroupEnhance) -> None:
        super().__init__()
        self.factor = float(torch.sigmoid(gate.bias.detach()).mean())

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def without_sge(seed: int = 0) -> InactiveNetwork:
    """The same function as ``inactive_network``, without SGE modules."""
    network = inactive_network(seed)
    for block in (network.first, network.second):
        block.sge = _ConstantGate(block.sge)
    return network


def blobs(count: int = 12, seed: int = 0) -> list[Tensor]:
    """Returns images (3, 40, 48) uint8 of noise, each with a bright square at another position."""
    random = torch.Generator().manual_seed(seed)
    images = []
    for i in range(count):
        image = torch.randint(0, 120, (3, 40, 48), generator=random, dtype=torch.uint8)
        top, left = 3 * (i % 9), 3 * (i % 11)
        image[i % 3, top : top + 12, left : left + 12] = 250
        images.append(image)
    return images
