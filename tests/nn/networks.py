"""Small networks with SGE for the tests of sge.nn."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torchvision import models
from torchvision.models import convnext, efficientnet

from sge.nn import SpatialGroupEnhance


def randomize_gates(network: nn.Module) -> nn.Module:
    """The network in eval mode, with gates that act, each in another way."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, SpatialGroupEnhance):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return network.eval()


def small(*more: nn.Module) -> nn.Sequential:
    """A convolution to 8 channels, SGE with 4 groups, and what else is given."""
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), SpatialGroupEnhance(8, 4), *more)
    randomize_gates(network)
    return network


def hooks(network: nn.Module) -> int:
    """Number of hooks on all modules of the network."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in network.modules() for kind in kinds)


class Twice(nn.Module):
    """One block with two SGE modules, then a plain one."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential()
        self.block.add_module("first", SpatialGroupEnhance(8, 2))
        self.block.add_module("second", SpatialGroupEnhance(8, 4))
        self.other = nn.ModuleDict({"sge": SpatialGroupEnhance(8, 8)})
        self.sge = SpatialGroupEnhance(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.sge(self.other["sge"](self.block(x)))


def gates(network: nn.Module) -> dict[str, SpatialGroupEnhance]:
    """Path to SGE module."""
    return {path: m for path, m in network.named_modules() if isinstance(m, SpatialGroupEnhance)}


def saved(network: nn.Module) -> nn.Module:
    """The network after ``torch.save`` and ``torch.load``."""
    buffer = io.BytesIO()
    torch.save(network, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


COPIES: dict[str, Callable[[nn.Module], nn.Module]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda network: pickle.loads(pickle.dumps(network)),
    "torch.save": saved,
    "EMA": AveragedModel,
}
"""Ways to copy a network."""


def efficientnet_v2() -> nn.Module:
    """Blocks that are fused without expansion, fused with it, and not fused."""
    fused, plain = efficientnet.FusedMBConvConfig, efficientnet.MBConvConfig
    settings = [fused(1, 3, 1, 16, 16, 1), fused(4, 3, 2, 16, 24, 2), plain(4, 3, 2, 24, 32, 1)]
    return models.EfficientNet(settings, dropout=0.1, last_channel=64, num_classes=10)


def small_convnext() -> nn.Module:
    """Two stages, of one and of two blocks."""
    settings = [convnext.CNBlockConfig(16, 32, 1), convnext.CNBlockConfig(32, None, 2)]
    return models.ConvNeXt(settings, stochastic_depth_prob=0.2, num_classes=10)
