"""torchvision's blocks with SGE: MobileNetV2 and V3, MNASNet, EfficientNet, ConvNeXt, DenseNet and GoogLeNet.

``insert_sge`` gives such a block the class here with the same layers, and the module as its child ``sge``. Everything else
of the block stays: keys of the state dict, hooks, references that others hold. Only ``forward`` differs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import convnext, densenet, efficientnet, mnasnet, mobilenetv2, mobilenetv3
from torchvision.models.googlenet import Inception


class SGEInvertedResidualV2(mobilenetv2.InvertedResidual):  # type: ignore[misc]
    """MobileNetV2's block with SGE on the expanded features, before the projection and its norm."""

    def forward(self, x: Tensor) -> Tensor:
        """Output of the block, (N, C', H', W') for an input (N, C, H, W), as in torchvision."""
        projection = len(self.conv) - 2
        out = x
        # torch.jit.script knows no slice of a Sequential.
        for index, layer in enumerate(self.conv):
            if index == projection:
                out = self.sge(out)
            out = layer(out)
        return x + out if self.use_res_connect else out


class SGEInvertedResidualMnasnet(mnasnet._InvertedResidual):  # type: ignore[misc]
    """MNASNet's block with SGE on the expanded features, before the projection and its norm."""

    def forward(self, input: Tensor) -> Tensor:
        """Output of the block, (N, C', H', W') for an input (N, C, H, W), as in torchvision."""
        projection = len(self.layers) - 2
        out = input
        for index, layer in enumerate(self.layers):
            if index == projection:
                out = self.sge(out)
            out = layer(out)
        return out + input if self.apply_residual else out


class _Projected(nn.Module):
    """What the blocks share whose layers are ``block``, with the projection and its norm as the last of them."""

    def projected(self, input: Tensor) -> Tensor:
        """The block's layers, with SGE before the last: (N, C', H', W') for an input (N, C, H, W)."""
        last = len(self.block) - 1  # type: ignore[arg-type]
        out = input
        for index, layer in enumerate(self.block):  # type: ignore[arg-type]
            if index == last:
                out = self.sge(out)  # type: ignore[operator]
            out = layer(out)
        return out


class SGEInvertedResidualV3(_Projected, mobilenetv3.InvertedResidual):  # type: ignore[misc]
    """MobileNetV3's block with SGE on the expanded features, after its squeeze-and-excitation if it has one."""

    def forward(self, input: Tensor) -> Tensor:
        """Output of the block, (N, C', H', W') for an input (N, C, H, W), as in torchvision."""
        result = self.projected(input)
        if self.use_res_connect:
            result += input
        return result


class _WithDepth(_Projected):
    """With stochastic depth in training."""

    def forward(self, input: Tensor) -> Tensor:
        """Output of the block, (N, C', H', W') for an input (N, C, H, W), as in torchvision."""
        result = self.projected(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)  # type: ignore[operator]
            result += input
        return result


class SGEMBConv(_WithDepth, efficientnet.MBConv):  # type: ignore[misc]
    """EfficientNet's MBConv with SGE on the expanded features, after the squeeze-and-excitation."""


class SGEFusedMBConv(_WithDepth, efficientnet.FusedMBConv):  # type: ignore[misc]
    """EfficientNetV2's fused MBConv with SGE on the expanded features."""


class SGECNBlock(convnext.CNBlock):  # type: ignore[misc]
    """ConvNeXt's block with SGE at the end of the residual branch, after the layer scale."""

    def forward(self, input: Tensor) -> Tensor:
        """Output of the block, (N, C, H, W) for an input of that shape, as in torchvision."""
        result = self.stochastic_depth(self.sge(self.layer_scale * self.block(input)))
        result += input
        return result  # type: ignore[no-any-return]


class SGEDenseLayer(densenet._DenseLayer):  # type: ignore[misc]
    """DenseNet's layer with SGE on the bottleneck's features, before the 3x3 convolution."""

    def forward(self, input: list[Tensor]) -> Tensor:
        """New features (N, growth rate, H, W) of a list of maps, or of one map, as in torchvision."""
        features = input if isinstance(input, list) else [input]
        if self.memory_efficient and self.any_requires_grad(features):
            if torch.jit.is_scripting():  # type: ignore[attr-defined]
                raise Exception("Memory Efficient not supported in JIT")
            bottleneck = self.call_checkpoint_bottleneck(features)
        else:
            bottleneck = self.bn_function(features)
        new = self.conv2(self.sge(self.relu2(self.norm2(bottleneck))))
        if self.drop_rate > 0:
            new = F.dropout(new, p=self.drop_rate, training=self.training)
        return new  # type: ignore[no-any-return]


class SGEInception(Inception):  # type: ignore[misc]
    """GoogLeNet's Inception module with SGE on its concatenated branches."""

    def forward(self, x: Tensor) -> Tensor:
        """Output of the module, (N, C', H, W) for an input (N, C, H, W), as in torchvision."""
        return self.sge(torch.cat(self._forward(x), 1))  # type: ignore[no-any-return]


WITH_SGE: dict[type[nn.Module], type[nn.Module]] = {
    mobilenetv2.InvertedResidual: SGEInvertedResidualV2,
    mobilenetv3.InvertedResidual: SGEInvertedResidualV3,
    mnasnet._InvertedResidual: SGEInvertedResidualMnasnet,
    efficientnet.MBConv: SGEMBConv,
    efficientnet.FusedMBConv: SGEFusedMBConv,
    convnext.CNBlock: SGECNBlock,
    densenet._DenseLayer: SGEDenseLayer,
    Inception: SGEInception,
}
"""torchvision's class to the one with SGE."""


def expanded_layers(block: nn.Module) -> list[nn.Module]:
    """The layers of a block that expands its input and projects it: convolutions, norms, activations, attention."""
    named = (getattr(block, name, None) for name in ("block", "conv", "layers"))
    layers = next(layers for layers in named if isinstance(layers, nn.Sequential))
    return [leaf for layer in layers for leaf in (layer if isinstance(layer, nn.Sequential) else [layer])]
