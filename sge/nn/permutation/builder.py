"""Collects every tensor that indexes one set of channels."""

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
"""Layers with parameters of their own for each channel: permuting both together leaves the output unchanged."""
_ALIKE = (nn.Identity, nn.AvgPool2d, nn.MaxPool2d, BlurPool2d)
"""Layers that treat every channel alike (the filters of a blur are equal)."""


@dataclass(frozen=True)
class SharedChannels:
    """A set of channels that several layers share, and every tensor that has to be permuted with them."""

    blocks: tuple[str, ...]
    """Names of the blocks whose SGE modules group these channels."""
    channels: int
    """Number of channels."""
    first_dimension: tuple[Tensor, ...]
    """Parameters and buffers that index the channels by their first dimension."""
    second_dimension: tuple[Tensor, ...]
    """Weights of convolutions and linear layers that index the channels by their second dimension."""


class SharedChannelsBuilder:
    """Collects the layers that share one set of channels.

    A layer that makes a permutation impossible is noted, and ``build`` refuses. Each method returns the builder.

    Args:
        name: Name of the block that an error mentions.
        channels: Number of channels.
    """

    def __init__(self, name: str, channels: int) -> None:
        self.blocks: list[str] = []
        self._name = name
        self._channels = channels
        self._first_dimension: list[Tensor] = []
        self._second_dimension: list[Tensor] = []
        self._refusal: str | None = None

    def add_block(self, name: str) -> SharedChannelsBuilder:
        """Adds a block whose SGE module groups the channels."""
        self.blocks.append(name)
        return self

    def add_producer(self, layer: Any) -> SharedChannelsBuilder:
        """Adds a convolution or linear layer whose outputs are the channels."""
        if self._is_dense(layer, 0):
            self._first_dimension += [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
        return self

    def add_consumer(self, layer: Any) -> SharedChannelsBuilder:
        """Adds a convolution or linear layer whose inputs are the channels."""
        if self._is_dense(layer, 1):
            self._second_dimension.append(layer.weight)
        return self

    def add_vector(self, vector: Tensor) -> SharedChannelsBuilder:
        """Adds a parameter with one number for each channel."""
        self._first_dimension.append(vector)
        return self

    def add_per_channel(self, layer: Any) -> SharedChannelsBuilder:
        """Adds a layer, or a tree of layers, that mixes no channels: a norm, a depthwise convolution, a pooling."""
        if isinstance(layer, _ALIKE):
            return self
        if isinstance(layer, nn.Conv2d):
            if layer.in_channels == layer.out_channels == layer.groups:
                return self._add_tensors_of(layer)
            return self.refuse(layer, "it mixes channels in groups, which ties them to their positions")
        if isinstance(layer, _NORMS):
            return self._add_tensors_of(layer)
        if any(True for _ in (*layer.parameters(recurse=False), *layer.buffers(recurse=False))):
            return self.refuse(layer, "it is not known to treat each channel alike")
        for child in layer.children():
            self.add_per_channel(child)
        return self

    def add_channel_attention(self, layer: Any) -> SharedChannelsBuilder:
        """Adds what a block has for squeeze-and-excitation: SE of a known kind, SGE, both, or nothing."""
        if layer is None or isinstance(layer, nn.Identity | SpatialGroupEnhance):
            return self
        if isinstance(layer, SqueezeThenSpatial):
            return self.add_channel_attention(layer.se)
        if type(layer) is SqueezeExcite:
            return self.add_consumer(layer.conv_reduce).add_producer(layer.conv_expand)
        if type(layer) in (SEModule, SqueezeExcitation):
            return self.add_consumer(layer.fc1).add_producer(layer.fc2)
        return self.refuse(layer, "what it does to them is not known")

    def refuse(self, layer: Any, reason: str) -> SharedChannelsBuilder:
        """Notes that the channels cannot be permuted, because of ``layer``; the first reason is kept."""
        self._refusal = self._refusal or f"a {type(layer).__name__} touches them, and {reason}"
        return self

    def build(self) -> SharedChannels:
        """The channels with all collected tensors.

        Raises:
            UnsupportedNetworkError: A layer makes a permutation impossible.
        """
        if self._refusal is not None:
            raise UnsupportedNetworkError(
                f"The channels of {self._name} cannot be permuted without changing the outputs: {self._refusal}. "
                "Leave this network in its stored order."
            )
        return SharedChannels(
            tuple(self.blocks), self._channels, tuple(self._first_dimension), tuple(self._second_dimension)
        )

    def _add_tensors_of(self, layer: nn.Module) -> SharedChannelsBuilder:
        # A tensor of one element (a norm's count of batches, a shared slope) is the same for all channels.
        tensors = (*layer.parameters(), *layer.buffers())
        self._first_dimension += [tensor for tensor in tensors if tensor.numel() > 1]
        return self

    def _is_dense(self, layer: Any, dimension: int) -> bool:
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            self.refuse(layer, "it is no convolution or linear layer of a known kind")
        elif getattr(layer, "groups", 1) != 1:
            self.refuse(layer, "it convolves in groups, which ties channels to their positions")
        elif layer.weight.shape[dimension] != self._channels:
            self.refuse(layer, f"it has {layer.weight.shape[dimension]} channels there, not {self._channels}")
        else:
            return True
        return False
