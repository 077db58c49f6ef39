"""SGE-ResNets on torchvision's ResNet (v1.5); state-dict keys are those of the paper's checkpoints.

SGE stands after the last batch norm of each residual block, before the identity is added (paper, sec. 4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from sge.nn.module import SpatialGroupEnhance


class SGEBasicBlock(BasicBlock):  # type: ignore[misc]
    """torchvision's two-convolution block with SGE after ``bn2``."""

    def __init__(self, inplanes: int, planes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(inplanes, planes, *args, **kwargs)
        self.sge = SpatialGroupEnhance(planes * self.expansion)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W'), as in torchvision."""
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.sge(self.bn2(self.conv2(out)))
        out += identity
        return self.relu(out)  # type: ignore[no-any-return]


class SGEBottleneck(Bottleneck):  # type: ignore[misc]
    """torchvision's three-convolution block with SGE after ``bn3``."""

    def __init__(self, inplanes: int, planes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(inplanes, planes, *args, **kwargs)
        self.sge = SpatialGroupEnhance(planes * self.expansion)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W'), as in torchvision."""
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.sge(self.bn3(self.conv3(out)))
        out += identity
        return self.relu(out)  # type: ignore[no-any-return]


def _resnet(block: type[nn.Module], layers: list[int], **fixed: int) -> Callable[..., ResNet]:
    def build(num_classes: int = 1000, groups: int = 64) -> ResNet:
        network = ResNet(block, layers, num_classes=num_classes, **fixed)
        if groups != 64:
            for module in network.modules():
                if isinstance(module, SGEBasicBlock | SGEBottleneck):
                    module.sge = SpatialGroupEnhance(module.sge.channels, groups)
        return network

    return build


SGE_RESNETS: dict[str, Callable[..., ResNet]] = {
    "sge_resnet18": _resnet(SGEBasicBlock, [2, 2, 2, 2]),
    "sge_resnet34": _resnet(SGEBasicBlock, [3, 4, 6, 3]),
    "sge_resnet50": _resnet(SGEBottleneck, [3, 4, 6, 3]),
    "sge_resnet101": _resnet(SGEBottleneck, [3, 4, 23, 3]),
    "sge_resnet152": _resnet(SGEBottleneck, [3, 8, 36, 3]),
    "sge_resnext50_32x4d": _resnet(SGEBottleneck, [3, 4, 6, 3], groups=32, width_per_group=4),
    "sge_resnext101_32x8d": _resnet(SGEBottleneck, [3, 4, 23, 3], groups=32, width_per_group=8),
}
"""Name to ``build(num_classes=1000, groups=64)``: random weights, for training or for loading a checkpoint."""
