"""Where SGE goes in the blocks of known families, and which layer beside it takes the compensation.

A inactive gate multiplies by sigmoid(1) everywhere; the layer beside it is divided by the same number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from timm.layers.norm_act import BatchNormAct2d
from timm.models import regnet as timm_regnet
from timm.models import resnet as timm_resnet
from timm.models._efficientnet_blocks import EdgeResidual, InvertedResidual, UniversalInvertedResidual
from timm.models.convnext import ConvNeXtBlock
from torch import Tensor, nn
from torchvision.models import resnet as tv_resnet
from torchvision.models.regnet import BottleneckTransform

from sge.errors import UnsupportedNetworkError
from sge.nn.module import INACTIVE_MASK, SpatialGroupEnhance
from sge.nn.resnet import SGEBasicBlock, SGEBottleneck

FAMILIES = (
    "ResNet, ResNeXt, Wide-ResNet and RegNet of torchvision and timm, and timm's EfficientNet, "
    "EfficientNet-Lite, MobileNetV2 to V4 and ConvNeXt"
)


@dataclass(frozen=True)
class Site:
    """A place for one SGE module."""

    channels: int
    put: Callable[[SpatialGroupEnhance], None]
    """Puts a module there and, unless ``gained``, divides the layer beside it."""
    gained: bool = False
    """No layer can take the compensation: the module must carry it."""


class GainedSGE(SpatialGroupEnhance):
    """SGE with the fixed gain 1 / sigmoid(1), for places where no layer can take the compensation."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out; inactive, it is the identity."""
        return super().forward(x).div_(INACTIVE_MASK)


class SqueezeThenSpatial(nn.Module):
    """A block's squeeze-and-excitation, kept, with SGE after it."""

    def __init__(self, se: nn.Module, sge: SpatialGroupEnhance) -> None:
        super().__init__()
        self.se = se
        self.sge = sge

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        return self.sge(self.se(x))  # type: ignore[no-any-return]


class SpatialThenDrop(nn.Module):
    """SGE at the end of a residual branch, before the branch is dropped in training."""

    def __init__(self, sge: SpatialGroupEnhance, drop_path: nn.Module) -> None:
        super().__init__()
        self.sge = sge
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        return self.drop_path(self.sge(x))  # type: ignore[no-any-return]


def carries_sge(module: nn.Module) -> bool:
    """Whether an SGE module is the module or is anywhere in it."""
    return any(isinstance(inner, SpatialGroupEnhance) for inner in module.modules())


def divide(*tensors: Tensor | None) -> None:
    """Compensates a inactive gate in what comes before or after it, in place."""
    for tensor in tensors:
        if tensor is not None:
            tensor.div_(INACTIVE_MASK)


def site_in(block: nn.Module) -> Callable[[], Site] | None:
    """How to find the place in a block of a known family without SGE; nothing in any other module."""
    for kinds, find in _EXPANDED:
        if isinstance(block, kinds) and not carries_sge(block):
            return lambda: find(block)
    find_exactly = _EXACT.get(type(block))
    if find_exactly is None or carries_sge(block):
        return None
    return lambda: find_exactly(block)


def _torchvision_residual(block: Any) -> Site:
    norm = _last_norm(block, "bn3" if isinstance(block, tv_resnet.Bottleneck) else "bn2")

    def put(sge: SpatialGroupEnhance) -> None:
        divide(norm.weight, norm.bias)
        block.sge = sge
        # The block keeps its identity (hooks, references) and its keys; only its forward is now the SGE one.
        block.__class__ = SGEBottleneck if isinstance(block, tv_resnet.Bottleneck) else SGEBasicBlock

    return Site(norm.num_features, put)


def _timm_residual(block: Any) -> Site:
    norm = _last_norm(block, "bn3" if isinstance(block, timm_resnet.Bottleneck) else "bn2")

    def put(sge: SpatialGroupEnhance) -> None:
        if block.se is None:
            divide(norm.weight, norm.bias)
            block.se = sge
        else:
            block.se = SqueezeThenSpatial(block.se, sge)

    # Between the norm and SGE, an SE would see the divided features and squeeze others.
    return Site(norm.num_features, put, gained=block.se is not None)


def _last_norm(block: Any, name: str) -> nn.BatchNorm2d:
    norm = getattr(block, name)
    acts = isinstance(norm, BatchNormAct2d) and not isinstance(norm.act, nn.Identity)
    if not isinstance(norm, nn.BatchNorm2d) or not norm.affine or acts:
        raise UnsupportedNetworkError(
            f"The block's last norm is {type(norm).__name__}; an affine BatchNorm2d is needed to compensate SGE."
        )
    return norm


def _before(block: Any, projection: Any) -> Site:
    """In the place of SE, or after it, before a convolution."""

    def put(sge: SpatialGroupEnhance) -> None:
        # Of several convolutions side by side (MixNet), or of experts (CondConv), all.
        divide(*(tensor for name, tensor in projection.named_parameters() if name.endswith("weight")))
        block.se = sge if isinstance(block.se, nn.Identity) else SqueezeThenSpatial(block.se, sge)

    return Site(projection.in_channels, put)


def _torchvision_regnet(transform: Any) -> Site:
    projection = transform.c[0]

    def put(sge: SpatialGroupEnhance) -> None:
        divide(projection.weight)
        last = transform._modules.pop("c")
        transform.add_module("sge", sge)
        transform.add_module("c", last)

    return Site(projection.in_channels, put)


def _convnext(block: Any) -> Site:
    """At the end of the residual branch, as in a ResNet; the layer scale takes the compensation."""
    scaled = block.mlp.fc2

    def put(sge: SpatialGroupEnhance) -> None:
        if block.gamma is None:
            divide(scaled.weight, scaled.bias)
        else:
            divide(block.gamma)
        drops = not isinstance(block.drop_path, nn.Identity)
        block.drop_path = SpatialThenDrop(sge, block.drop_path) if drops else sge

    return Site(int(scaled.weight.shape[0]), put)


_EXACT: dict[type[nn.Module], Callable[[Any], Site]] = {
    tv_resnet.BasicBlock: _torchvision_residual,
    tv_resnet.Bottleneck: _torchvision_residual,
    BottleneckTransform: _torchvision_regnet,
    timm_resnet.BasicBlock: _timm_residual,
    timm_resnet.Bottleneck: _timm_residual,
    timm_regnet.Bottleneck: lambda block: _before(block, block.conv3.conv),
    ConvNeXtBlock: _convnext,
}
"""Subclasses of these have a forward of their own."""
_EXPANDED: tuple[tuple[Any, Callable[[Any], Site]], ...] = (
    ((InvertedResidual, EdgeResidual), lambda block: _before(block, block.conv_pwl)),
    (UniversalInvertedResidual, lambda block: _before(block, block.pw_proj.conv)),
)
