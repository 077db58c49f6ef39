"""Finds where SGE goes in the blocks of known families, and which neighbouring layer compensates an inactive gate.

An inactive gate multiplies by sigmoid(1) at every position; the neighbouring layer is divided by the same number.
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
from torchvision.models import convnext, densenet, efficientnet, mnasnet, mobilenetv2, mobilenetv3
from torchvision.models import resnet as tv_resnet
from torchvision.models.googlenet import BasicConv2d, Inception
from torchvision.models.regnet import BottleneckTransform

from sge.errors import UnsupportedNetworkError
from sge.nn.insertion.torchvision_blocks import WITH_SGE, expanded_layers
from sge.nn.module import INACTIVE_MASK, SpatialGroupEnhance
from sge.nn.resnet import SGEBasicBlock, SGEBottleneck

FAMILIES = (
    "ResNet, ResNeXt, Wide-ResNet, RegNet, EfficientNet, MobileNetV2, MobileNetV3 and ConvNeXt of torchvision and timm, "
    "timm's EfficientNet-Lite and MobileNetV4, and torchvision's DenseNet, GoogLeNet and MNASNet"
)
"""The families whose blocks are known, as messages name them."""


@dataclass(frozen=True)
class Site:
    """Position in a network where one SGE module can be inserted."""

    channels: int
    """Channels of the features there."""
    put: Callable[[SpatialGroupEnhance], None]
    """Inserts a module and, unless ``gained``, divides the neighbouring layer."""
    gained: bool = False
    """Whether no neighbouring layer can compensate the gate, so that the module itself needs a gain."""


class GainedSGE(SpatialGroupEnhance):
    """SGE with the constant gain 1 / sigmoid(1), for sites where no neighbouring layer can compensate the gate."""

    __constants__ = ("inactive_mask",)
    inactive_mask = INACTIVE_MASK

    def forward(self, x: Tensor) -> Tensor:
        """Features times masks and gain, (N, C, H, W); with inactive gates this is the identity."""
        return self.enhanced(x).div_(self.inactive_mask)


class SqueezeThenSpatial(nn.Module):
    """A block's own squeeze-and-excitation, followed by SGE."""

    def __init__(self, se: nn.Module, sge: SpatialGroupEnhance) -> None:
        super().__init__()
        self.se = se
        self.sge = sge

    def forward(self, x: Tensor) -> Tensor:
        """Features after both modules, (N, C, H, W)."""
        return self.sge(self.se(x))  # type: ignore[no-any-return]


class SpatialThenDrop(nn.Module):
    """SGE at the end of a residual branch, followed by the branch's drop path."""

    def __init__(self, sge: SpatialGroupEnhance, drop_path: nn.Module) -> None:
        super().__init__()
        self.sge = sge
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        """Features after both modules, (N, C, H, W)."""
        return self.drop_path(self.sge(x))  # type: ignore[no-any-return]


def has_sge(module: nn.Module) -> bool:
    """Whether the module is an SGE module or contains one."""
    return any(isinstance(inner, SpatialGroupEnhance) for inner in module.modules())


def divide(*tensors: Tensor | None) -> None:
    """Divides tensors in place by the mask of an inactive gate; None is skipped."""
    for tensor in tensors:
        if tensor is not None:
            tensor.div_(INACTIVE_MASK)


def site_in(block: nn.Module) -> Callable[[], Site] | None:
    """Function that finds the site in ``block``; None unless the block is of a known family and has no SGE."""
    for kinds, find in _EXPANDED:
        if isinstance(block, kinds) and not has_sge(block):
            return lambda: find(block)
    find_exactly = _EXACT.get(type(block))
    if find_exactly is None or has_sge(block):
        return None
    if find_exactly is _torchvision_expanded:
        site = _torchvision_expanded(block)
        return None if site is None else lambda: site
    return lambda: find_exactly(block)


def _torchvision_residual(block: Any) -> Site:
    norm = _last_norm(block, "bn3" if isinstance(block, tv_resnet.Bottleneck) else "bn2")

    def put(sge: SpatialGroupEnhance) -> None:
        divide(norm.weight, norm.bias)
        block.sge = sge
        # torchvision's forward never calls a child named sge. A change of class replaces the forward alone: a new block
        # in place of this one would lose its hooks and break the references that others hold to it.
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

    # Dividing the norm would also change the features that an SE after it pools, so the module takes the gain.
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
    """Site in the position of SE or after it, before the convolution ``projection``."""
    # There may be several weights: parallel convolutions (MixNet) or experts (CondConv). A weight that is computed from
    # others, as by spectral_norm, is none of them.
    weights = [tensor for name, tensor in projection.named_parameters() if name.split(".")[-1] == "weight"]

    def put(sge: SpatialGroupEnhance) -> None:
        divide(*weights)
        block.se = sge if isinstance(block.se, nn.Identity) else SqueezeThenSpatial(block.se, sge)

    return Site(projection.in_channels, put, gained=not weights)


def _torchvision_expanded(block: Any) -> Site | None:
    """Site on the expanded features, before the projection; None for a block that does not expand its input."""
    convolutions: list[Any] = [layer for layer in expanded_layers(block) if isinstance(layer, nn.Conv2d)]
    if len(convolutions) < 2 or convolutions[0].groups > 1:
        return None
    return _torchvision(block, convolutions[-1])


def _torchvision(block: Any, projection: Any) -> Site:
    """Site before the convolution ``projection`` of a block whose class with SGE is known."""
    divided = isinstance(projection.weight, nn.Parameter)

    def put(sge: SpatialGroupEnhance) -> None:
        if divided:
            divide(projection.weight)
        _give(block, sge)

    return Site(projection.in_channels, put, gained=not divided)


def _torchvision_convnext(block: Any) -> Site:
    """Site at the end of the residual branch; the layer scale is divided."""

    def put(sge: SpatialGroupEnhance) -> None:
        divide(block.layer_scale)
        _give(block, sge)

    return Site(int(block.layer_scale.shape[0]), put)


def _inception(block: Any) -> Site:
    """Site on the concatenated branches. A ReLU keeps a positive factor, so the norms before it are divided."""
    branches: list[Any] = list(block.children())
    ends: list[Any] = [branch[-1] if isinstance(branch, nn.Sequential) else branch for branch in branches]
    divided = all(type(end) is BasicConv2d and isinstance(end.bn.weight, nn.Parameter) for end in ends)

    def put(sge: SpatialGroupEnhance) -> None:
        if divided:
            divide(*(tensor for end in ends for tensor in (end.bn.weight, end.bn.bias)))
        _give(block, sge)

    return Site(sum(end.conv.out_channels for end in ends), put, gained=not divided)


def _give(block: nn.Module, sge: SpatialGroupEnhance) -> None:
    """Adds the module as a child; a change of class replaces the forward alone, as in ``_torchvision_residual``."""
    block.add_module("sge", sge)
    block.__class__ = WITH_SGE[type(block)]


def _torchvision_regnet(transform: Any) -> Site:
    projection = transform.c[0]

    def put(sge: SpatialGroupEnhance) -> None:
        divide(projection.weight)
        last = transform._modules.pop("c")
        transform.add_module("sge", sge)
        transform.add_module("c", last)

    return Site(projection.in_channels, put)


def _convnext(block: Any) -> Site:
    """Site at the end of the residual branch, as in a ResNet; the layer scale, if there is one, is divided."""
    last = block.mlp.fc2

    def put(sge: SpatialGroupEnhance) -> None:
        if block.gamma is None:
            divide(last.weight, last.bias)
        else:
            divide(block.gamma)
        drops = not isinstance(block.drop_path, nn.Identity)
        block.drop_path = SpatialThenDrop(sge, block.drop_path) if drops else sge

    return Site(int(last.weight.shape[0]), put)


_EXACT: dict[type[nn.Module], Callable[[Any], Any]] = {
    tv_resnet.BasicBlock: _torchvision_residual,
    tv_resnet.Bottleneck: _torchvision_residual,
    BottleneckTransform: _torchvision_regnet,
    mobilenetv2.InvertedResidual: _torchvision_expanded,
    mobilenetv3.InvertedResidual: _torchvision_expanded,
    mnasnet._InvertedResidual: _torchvision_expanded,
    efficientnet.MBConv: _torchvision_expanded,
    efficientnet.FusedMBConv: _torchvision_expanded,
    convnext.CNBlock: _torchvision_convnext,
    densenet._DenseLayer: lambda block: _torchvision(block, block.conv2),
    Inception: _inception,
    timm_resnet.BasicBlock: _timm_residual,
    timm_resnet.Bottleneck: _timm_residual,
    timm_regnet.Bottleneck: lambda block: _before(block, block.conv3.conv),
    ConvNeXtBlock: _convnext,
}
"""Blocks that are matched by their exact class, because subclasses have a forward of their own."""
_EXPANDED: tuple[tuple[Any, Callable[[Any], Site]], ...] = (
    ((InvertedResidual, EdgeResidual), lambda block: _before(block, block.conv_pwl)),
    (UniversalInvertedResidual, lambda block: _before(block, block.pw_proj.conv)),
)
"""Blocks that are matched together with their subclasses."""
