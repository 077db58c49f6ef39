"""A small network with SGE, SAME padding and no fixed size, and its exported file."""

from __future__ import annotations

from pathlib import Path

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from sge.models import Card, Model
from sge.models.export import export_onnx
from sge.models.exported_model import ExportedModel
from sge.nn import SpatialGroupEnhance
from sge.nn.attention import BottleneckAttention, ConvolutionalBlockAttention
from sge.parts import Finder, GroupWeight
from sge.parts.finder import Readout

LABELS = ["beagle", "crane", "tench"]


class Network(nn.Module):
    """SGE twice, then CBAM and BAM."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv2dSame(3, 16, 3, 4, bias=False)
        self.first = nn.Sequential(Conv2dSame(16, 16, 5, 2), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.first.add_module("sge", SpatialGroupEnhance(16, 4))
        self.second = nn.Sequential(nn.Conv2d(16, 32, 3, 1, 1), nn.ReLU(inplace=True))
        self.second.add_module("sge", SpatialGroupEnhance(None, 8))
        self.third = nn.Sequential(nn.Conv2d(32, 32, 1))
        self.third.add_module("cbam", ConvolutionalBlockAttention(32))
        self.bam1 = BottleneckAttention(32)
        self.fc = nn.Linear(32, len(LABELS))

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(self.stem(x)))
        x += self.third(x)
        logits: Tensor = self.fc(self.bam1(x).mean((2, 3)))
        return logits


def network(kind: type[nn.Module] = Network) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = kind()
        for module in made.modules():
            if isinstance(module, SpatialGroupEnhance):
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 2)
    return made.eval()


def model(kind: type[nn.Module] = Network) -> Model:
    readout = Readout((GroupWeight("first", 1, 1.0),), 2.0, 1.0, 0.5)
    card = Card("Small", "A network of the tests.", sha256="ab" * 32, notes=("Nothing was measured.",))
    made = Model("small", network(kind), LABELS, card)
    made.finder = Finder({"nose": readout}, made.permutations)
    return made


def exported(folder: Path) -> ExportedModel:
    return export_onnx(model(), folder / "small.onnx")
