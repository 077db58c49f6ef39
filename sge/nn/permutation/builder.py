"""Channels that share one order, with every tensor that touches them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timm.layers.blur_pool import BlurPool2d
from timm.layers.squeeze_excite import SEModule
from timm.models._efficientnet_blocks import SqueezeExcite
from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation

from sge.errors import UnsupportedNetworkError
from sge.nn.insertion.sites import SqueezeThenSpatial
from sge.nn.module import SpatialGroupEnhance

_NORMS = (nn.BatchNorm2d, nn.LayerNorm)
"""Each channel has its own numbers; which of them stand side by side does not matter."""
_FREE = (nn.Identity, nn.AvgPool2d, nn.MaxPool2d, BlurPool2d)
"""The same for every channel (a blur's filters are equal)."""


@dataclass(frozen=True)
class Stream:
    """Channels that share one order, and every tensor that touches them."""

    blocks: tuple[str, ...]
    """Names of the blocks whose SGE modules group these channels."""
    channels: int
    rows: tuple[Tensor, ...]
    """Parameters and buffers whose first dimension they are."""
    columns: tuple[Tensor, ...]
    """Weights whose second dimension they are: convolutions and linear layers that read them."""


class StreamBuilder:
    """Collects the layers of one stream; what ties channels to their places is noted, and refused at the end.

    Args:
        name: Of the block that an error speaks of.
        channels: Number of channels.
    """

    def __init__(self, name: str, channels: int) -> None:
        self.blocks: list[str] = []
        self._name = name
        self._channels = channels
        self._rows: list[Tensor] = []
        self._columns: list[Tensor] = []
        self._refusal: str | None = None

    def carries(self, block: str) -> StreamBuilder:
        """A block whose SGE module groups these channels."""
        self.blocks.append(block)
        return self

    def writes(self, layer: Any) -> StreamBuilder:
        """A convolution or linear layer whose outputs the channels are."""
        if self._mixes_all(layer, 0):
            self._rows += [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
        return self

    def reads(self, layer: Any) -> StreamBuilder:
        """A convolution or linear layer whose inputs the channels are."""
        if self._mixes_all(layer, 1):
            self._columns.append(layer.weight)
        return self

    def scales(self, vector: Tensor) -> StreamBuilder:
        """A parameter with one number a channel."""
        self._rows.append(vector)
        return self

    def keeps(self, layer: Any) -> StreamBuilder:
        """A layer, or a tree of them, in which each channel stays for itself: norms, depthwise convolutions."""
        if isinstance(layer, _FREE):
            return self
        if isinstance(layer, nn.Conv2d):
            if layer.in_channels == layer.out_channels == layer.groups:
                return self._rows_of(layer)
            return self.refuse(layer, "it mixes channels in groups, which ties them to their places")
        if isinstance(layer, _NORMS):
            return self._rows_of(layer)
        if any(True for _ in (*layer.parameters(recurse=False), *layer.buffers(recurse=False))):
            return self.refuse(layer, "it is not known to treat each channel alike")
        for child in layer.children():
            self.keeps(child)
        return self

    def squeezes(self, layer: Any) -> StreamBuilder:
        """What stands in the place of a squeeze-and-excitation: one of a known kind, SGE, both, or nothing."""
        if layer is None or isinstance(layer, nn.Identity | SpatialGroupEnhance):
            return self
        if isinstance(layer, SqueezeThenSpatial):
            return self.squeezes(layer.se)
        if type(layer) is SqueezeExcite:
            return self.reads(layer.conv_reduce).writes(layer.conv_expand)
        if type(layer) in (SEModule, SqueezeExcitation):
            return self.reads(layer.fc1).writes(layer.fc2)
        return self.refuse(layer, "what it does to them is not known")

    def refuse(self, layer: Any, reason: str) -> StreamBuilder:
        """Notes that the channels cannot be sorted."""
        self._refusal = self._refusal or f"a {type(layer).__name__} touches them, and {reason}"
        return self

    def finished(self) -> Stream:
        """The stream.

        Raises:
            UnsupportedNetworkError: a layer was refused.
        """
        if self._refusal is not None:
            raise UnsupportedNetworkError(
                f"The channels of {self._name} cannot be sorted without changing the outputs: {self._refusal}. "
                "Leave this network in its stored order."
            )
        return Stream(tuple(self.blocks), self._channels, tuple(self._rows), tuple(self._columns))

    def _rows_of(self, layer: nn.Module) -> StreamBuilder:
        # Of one number there is nothing to sort: a norm's count of batches, a shared slope.
        self._rows += [tensor for tensor in (*layer.parameters(), *layer.buffers()) if tensor.numel() > 1]
        return self

    def _mixes_all(self, layer: Any, dimension: int) -> bool:
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            self.refuse(layer, "it is no convolution or linear layer of a known kind")
        elif getattr(layer, "groups", 1) != 1:
            self.refuse(layer, "it convolves in groups, which ties channels to their places")
        elif layer.weight.shape[dimension] != self._channels:
            self.refuse(layer, f"it has {layer.weight.shape[dimension]} channels there, not {self._channels}")
        else:
            return True
        return False
