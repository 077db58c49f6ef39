"""Networks of every family whose channels can be permuted, and random permutations of them."""

from __future__ import annotations

import timm
import torch
from torch import nn
from torchvision import models

from sge.nn.permutation.families import shared_channels
from sge.nn.resnet import build_resnet
from tests.nn.networks import efficientnet_v2, small_convnext

FAMILIES = {
    "resnet18": (lambda: models.resnet18(num_classes=7), 4),
    "resnet50": (lambda: models.resnet50(num_classes=7), 4),
    "resnext50_32x4d": (lambda: models.resnext50_32x4d(num_classes=7), 4),
    "timm resnet18": (lambda: timm.create_model("resnet18", num_classes=7), 4),
    "timm resnet26d": (lambda: timm.create_model("resnet26d", num_classes=7), 4),
    "timm seresnet18": (lambda: timm.create_model("seresnet18", num_classes=7), 4),
    "bam_resnet18": (lambda: build_resnet(18, "bam", num_classes=7), 4),
    "sk_resnet50": (lambda: build_resnet(50, "sk", num_classes=7), 4),
    "convnext_atto": (lambda: timm.create_model("convnext_atto", num_classes=7), 4),
    "convnext_atto, linear": (
        lambda: timm.create_model("convnext_atto", num_classes=7, conv_mlp=False),
        4,
    ),
    "convnextv2_atto": (lambda: timm.create_model("convnextv2_atto", num_classes=7), 4),
    "tf_efficientnet_lite0": (lambda: timm.create_model("tf_efficientnet_lite0"), 15),
    "efficientnet_b0": (lambda: timm.create_model("efficientnet_b0"), 15),
    "efficientnet_es": (lambda: timm.create_model("efficientnet_es"), 18),
    "mobilenetv2_050": (lambda: timm.create_model("mobilenetv2_050"), 16),
    "mobilenetv3_small_050": (lambda: timm.create_model("mobilenetv3_small_050"), 10),
    "torchvision mobilenet_v2": (lambda: models.mobilenet_v2(width_mult=0.25, num_classes=7), 16),
    "torchvision mobilenet_v3": (lambda: models.mobilenet_v3_small(width_mult=0.5, num_classes=7), 10),
    "torchvision efficientnet_v2": (efficientnet_v2, 3),
    "torchvision convnext": (small_convnext, 2),
    "torchvision densenet": (lambda: models.DenseNet(8, (2, 3), 16, num_classes=7), 5),
    "mobilenetv4_conv_small": (lambda: timm.create_model("mobilenetv4_conv_small"), 12),
}
"""Name to a function that builds the network and its number of sets of shared channels."""


def shuffles(network: nn.Module, seed: int = 5) -> dict[str, torch.Tensor]:
    """A random permutation for every SGE block."""
    generator = torch.Generator().manual_seed(seed)
    permutations = {}
    for channels in shared_channels(network):
        permutation = torch.randperm(channels.channels, generator=generator)
        permutations |= dict.fromkeys(channels.blocks, permutation)
    return permutations


def image(height: int = 64, width: int = 96) -> torch.Tensor:
    """Two images of noise."""
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(3))
