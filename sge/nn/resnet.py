"""ResNets with attention, built on torchvision's ResNet (v1.5).

SGE, SE, CBAM and GC follow the last batch norm of each residual block, before the identity is added (SGE paper, sec. 4).
BAM is placed between stages; SK replaces the 3x3 convolution. The state-dict keys of SGE-ResNets are those of the paper's
checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from sge.errors import UnsupportedNetworkError
from sge.nn.attention import (
    BottleneckAttention,
    ConvolutionalBlockAttention,
    GlobalContext,
    SelectiveKernel,
    squeeze_excitation,
)
from sge.nn.module import SpatialGroupEnhance

ATTENTIONS = ("none", "se", "cbam", "bam", "sk", "gc", "sge")
DEPTHS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]}
"""Number of layers to the number of blocks in each stage."""
_IN_BLOCKS: dict[str, Callable[[int], nn.Module]] = {
    "sge": SpatialGroupEnhance,
    "se": squeeze_excitation,
    "cbam": ConvolutionalBlockAttention,
    "gc": GlobalContext,
}


class SGEBasicBlock(BasicBlock):  # type: ignore[misc]
    """torchvision's BasicBlock (two convolutions) with attention after ``bn2``."""

    attention: ClassVar[str] = "sge"
    """Kind of attention, which is also the name of its module."""

    def __init__(self, inplanes: int, planes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(inplanes, planes, *args, **kwargs)
        setattr(self, self.attention, _IN_BLOCKS[self.attention](planes * self.expansion))

    def forward(self, x: Tensor) -> Tensor:
        """Output of the residual block, (N, C', H', W') for an input (N, C, H, W), as in torchvision."""
        identity = x
        if self.downsample is not None:
            identity = self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.attend(self.bn2(self.conv2(out)))
        out += identity
        return self.relu(out)  # type: ignore[no-any-return]

    def attend(self, x: Tensor) -> Tensor:
        """Features after the attention, same shape. It calls its module by name, as torch.jit.script requires."""
        return self.sge(x)  # type: ignore[no-any-return]


class SGEBottleneck(Bottleneck):  # type: ignore[misc]
    """torchvision's Bottleneck (three convolutions) with attention after ``bn3``."""

    attention: ClassVar[str] = "sge"
    """Kind of attention, which is also the name of its module."""

    def __init__(self, inplanes: int, planes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(inplanes, planes, *args, **kwargs)
        setattr(self, self.attention, _IN_BLOCKS[self.attention](planes * self.expansion))

    def forward(self, x: Tensor) -> Tensor:
        """Output of the residual block, (N, C', H', W') for an input (N, C, H, W), as in torchvision."""
        identity = x
        if self.downsample is not None:
            identity = self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.attend(self.bn3(self.conv3(out)))
        out += identity
        return self.relu(out)  # type: ignore[no-any-return]

    def attend(self, x: Tensor) -> Tensor:
        """Features after the attention, same shape. It calls its module by name, as torch.jit.script requires."""
        return self.sge(x)  # type: ignore[no-any-return]


class SEBasicBlock(SGEBasicBlock):
    """BasicBlock with SE.

    Each attention has classes of its own because a pickled network refers to its classes by name.
    """

    attention = "se"

    def attend(self, x: Tensor) -> Tensor:
        """As in the base class, with this block's attention."""
        return self.se(x)  # type: ignore[no-any-return]


class SEBottleneck(SGEBottleneck):
    """Bottleneck with SE."""

    attention = "se"

    def attend(self, x: Tensor) -> Tensor:
        """As in the base class, with this block's attention."""
        return self.se(x)  # type: ignore[no-any-return]


class CBAMBasicBlock(SGEBasicBlock):
    """BasicBlock with CBAM."""

    attention = "cbam"

    def attend(self, x: Tensor) -> Tensor:
        """As in the base class, with this block's attention."""
        return self.cbam(x)  # type: ignore[no-any-return]


class CBAMBottleneck(SGEBottleneck):
    """Bottleneck with CBAM."""

    attention = "cbam"

    def attend(self, x: Tensor) -> Tensor:
        """As in the base class, with this block's attention."""
        return self.cbam(x)  # type: ignore[no-any-return]


class GCBasicBlock(SGEBasicBlock):
    """BasicBlock with GC."""

    attention = "gc"

    def attend(self, x: Tensor) -> Tensor:
        """As in the base class, with this block's attention."""
        return self.gc(x)  # type: ignore[no-any-return]


class GCBottleneck(SGEBottleneck):
    """Bottleneck with GC."""

    attention = "gc"

    def attend(self, x: Tensor) -> Tensor:
        """As in the base class, with this block's attention."""
        return self.gc(x)  # type: ignore[no-any-return]


_BLOCKS: dict[str, tuple[type[BasicBlock], type[Bottleneck]]] = {
    "sge": (SGEBasicBlock, SGEBottleneck),
    "se": (SEBasicBlock, SEBottleneck),
    "cbam": (CBAMBasicBlock, CBAMBottleneck),
    "gc": (GCBasicBlock, GCBottleneck),
}
"""Kind of attention inside blocks to the block of ResNet-18 and 34 and that of the deeper networks."""


class BAMResNet(ResNet):  # type: ignore[misc]
    """torchvision's ResNet with BAM after each of the first three stages."""

    def __init__(self, block: type[BasicBlock | Bottleneck], layers: list[int], **kwargs: Any) -> None:
        super().__init__(block, layers, **kwargs)
        expansion: int = block.expansion
        self.bam1, self.bam2, self.bam3 = (BottleneckAttention(c * expansion) for c in (64, 128, 256))

    def _forward_impl(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.bam1(self.layer1(x))
        x = self.bam2(self.layer2(x))
        x = self.bam3(self.layer3(x))
        x = torch.flatten(self.avgpool(self.layer4(x)), 1)
        return self.fc(x)  # type: ignore[no-any-return]


def build_resnet(depth: int, attention: str = "sge", num_classes: int = 1000, groups: int = 64) -> ResNet:
    """Builds a ResNet with one kind of attention and random weights.

    Args:
        depth: 18, 34, 50, 101 or 152.
        attention: One of ``ATTENTIONS``.
        num_classes: Number of logits.
        groups: Number of groups of each SGE module; ignored for other kinds of attention.

    Raises:
        UnsupportedNetworkError: The depth or the attention is unknown, or SK is asked for at depth 18 or 34.
        GroupsError: ``groups`` does not divide the channels of a block.
    """
    if depth not in DEPTHS:
        raise UnsupportedNetworkError(f"No ResNet-{depth}; depths are {', '.join(map(str, DEPTHS))}.")
    if attention not in ATTENTIONS:
        raise UnsupportedNetworkError(f"No attention {attention!r}; there are {', '.join(ATTENTIONS)}.")
    deep = depth >= 50
    if attention == "sk" and not deep:
        raise UnsupportedNetworkError(
            f"SK needs bottleneck blocks, which ResNet-{depth} does not have. Choose depth 50, 101 or 152."
        )
    block: type[BasicBlock | Bottleneck] = _BLOCKS.get(attention, (BasicBlock, Bottleneck))[deep]
    network = (BAMResNet if attention == "bam" else ResNet)(block, DEPTHS[depth], num_classes=num_classes)
    if attention == "sk":
        _select_kernels(network)
    if groups != 64:
        _set_groups(network, groups)
    return network


def _select_kernels(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, Bottleneck):
            module.conv2 = SelectiveKernel(module.conv2.out_channels, module.stride)
            module.bn2 = nn.Identity()  # each branch of SK has a norm of its own


def _set_groups(network: nn.Module, groups: int) -> None:
    for module in network.modules():
        if isinstance(found := getattr(module, "sge", None), SpatialGroupEnhance):
            module.sge = SpatialGroupEnhance(found.channels, groups)


def _builder(depth: int, attention: str) -> Callable[..., ResNet]:
    def build(num_classes: int = 1000, groups: int = 64) -> ResNet:
        return build_resnet(depth, attention, num_classes, groups)

    return build


def _resnext(layers: list[int], width: int, cardinality: int) -> Callable[..., ResNet]:
    def build(num_classes: int = 1000, groups: int = 64) -> ResNet:
        network = ResNet(
            SGEBottleneck, layers, num_classes=num_classes, groups=cardinality, width_per_group=width
        )
        if groups != 64:
            _set_groups(network, groups)
        return network

    return build


SGE_RESNETS: dict[str, Callable[..., ResNet]] = {
    **{f"sge_resnet{depth}": _builder(depth, "sge") for depth in DEPTHS},
    "sge_resnext50_32x4d": _resnext(DEPTHS[50], 4, 32),
    "sge_resnext101_32x8d": _resnext(DEPTHS[101], 8, 32),
}
"""Name to ``build(num_classes=1000, groups=64)``, which returns a network with random weights."""

NEIGHBOURS: dict[str, Callable[..., ResNet]] = {
    f"{'' if attention == 'none' else attention + '_'}resnet{depth}": _builder(depth, attention)
    for attention in ATTENTIONS
    for depth in DEPTHS
    if attention != "sge" and not (attention == "sk" and depth < 50)
}
"""The networks that the paper compares with: name to a function as in ``SGE_RESNETS``."""
