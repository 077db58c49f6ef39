"""Finds the layers that share the channels of each SGE module, in networks of known families.

Either one block has the channels for itself, such as the expanded channels of an inverted residual, or a whole stage
shares them, such as the channels of a ResNet that are added from block to block (``residual.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from timm.models import regnet as timm_regnet
from timm.models import resnet as timm_resnet
from timm.models._efficientnet_blocks import EdgeResidual, InvertedResidual, UniversalInvertedResidual
from timm.models.convnext import ConvNeXtBlock
from torch import nn
from torchvision.models import resnet as tv_resnet
from torchvision.models.regnet import BottleneckTransform
from torchvision.ops import SqueezeExcitation

from sge.errors import UnsupportedNetworkError
from sge.nn.blocks import own_sge_blocks
from sge.nn.insertion.sites import has_sge
from sge.nn.insertion.torchvision_blocks import (
    SGECNBlock,
    SGEDenseLayer,
    SGEFusedMBConv,
    SGEInvertedResidualMnasnet,
    SGEInvertedResidualV2,
    SGEInvertedResidualV3,
    SGEMBConv,
    expanded_layers,
)
from sge.nn.permutation.builder import SharedChannels, SharedChannelsBuilder
from sge.nn.permutation.residual import RESIDUAL, residual_channels

_RESIDUAL_BLOCKS = (
    tv_resnet.BasicBlock,
    tv_resnet.Bottleneck,
    timm_resnet.BasicBlock,
    timm_resnet.Bottleneck,
    ConvNeXtBlock,
    SGECNBlock,
)
_TORCHVISION_EXPANDED = (
    SGEInvertedResidualV2,
    SGEInvertedResidualV3,
    SGEInvertedResidualMnasnet,
    SGEMBConv,
    SGEFusedMBConv,
)


def shared_channels(network: nn.Module, only: Iterable[str] | None = None) -> list[SharedChannels]:
    """Channels that SGE modules group, each with every tensor that indexes them, in the order of the network.

    Args:
        network: A network with SGE.
        only: Names of the blocks to consider; all by default.

    Raises:
        UnsupportedNetworkError: The network has no SGE module, or the channels of one cannot be permuted without changing
            the outputs; the message names the layer that prevents it.
    """
    blocks = own_sge_blocks(network)
    if not blocks:
        raise UnsupportedNetworkError(
            f"{type(network).__name__} has no SGE module whose channels could be permuted. "
            "Give it some with sge.insert_sge."
        )
    names = set(blocks if only is None else only)
    found = [builder for builder in residual_channels(network) if names.intersection(builder.blocks)]
    in_stages = {name for builder in found for name in builder.blocks}
    found += [_channels_inside(network, name) for name in blocks if name in names - in_stages]
    position = {name: number for number, name in enumerate(blocks)}
    return [builder.build() for builder in sorted(found, key=lambda builder: position[builder.blocks[0]])]


def _channels_inside(network: nn.Module, name: str) -> SharedChannelsBuilder:
    block: Any = _module(network, name)
    channels = SharedChannelsBuilder(name, own_sge_blocks(network)[name].channels or 0).add_block(name)
    if isinstance(block, BottleneckTransform) and hasattr(block, "sge"):
        channels.add_producer(block.b[0]).add_per_channel(block.b[1])
        return channels.add_channel_attention(getattr(block, "se", None)).add_consumer(block.c[0])
    if isinstance(block, SGEDenseLayer):
        return channels.add_producer(block.conv1).add_per_channel(block.norm2).add_consumer(block.conv2)
    if isinstance(block, _TORCHVISION_EXPANDED) and hasattr(block, "sge"):
        return _expanded_channels(channels, expanded_layers(block))
    if not hasattr(block, "se") or not has_sge(block.se):
        raise _refusal(name, block)
    if isinstance(block, InvertedResidual):
        channels.add_producer(block.conv_pw).add_per_channel(block.bn1).add_per_channel(
            block.conv_dw
        ).add_per_channel(block.bn2)
        return channels.add_per_channel(block.aa).add_channel_attention(block.se).add_consumer(block.conv_pwl)
    if isinstance(block, EdgeResidual):
        channels.add_producer(block.conv_exp).add_per_channel(block.bn1).add_per_channel(block.aa)
        return channels.add_channel_attention(block.se).add_consumer(block.conv_pwl)
    if isinstance(block, UniversalInvertedResidual):
        channels.add_producer(block.pw_exp.conv).add_per_channel(block.pw_exp.bn).add_per_channel(
            block.dw_mid
        )
        return channels.add_channel_attention(block.se).add_consumer(block.pw_proj.conv)
    if isinstance(block, timm_regnet.Bottleneck):
        channels.add_producer(block.conv2.conv).add_per_channel(block.conv2.bn)
        return channels.add_channel_attention(block.se).add_consumer(block.conv3.conv)
    raise _refusal(name, block)


def _expanded_channels(channels: SharedChannelsBuilder, layers: list[nn.Module]) -> SharedChannelsBuilder:
    """Channels between the expansion, which is the first layer, and the projection, the last convolution."""
    last = max(index for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d))
    channels.add_producer(layers[0])
    for layer in layers[1:last]:
        if isinstance(layer, SqueezeExcitation):
            channels.add_channel_attention(layer)
        else:
            channels.add_per_channel(layer)
    return channels.add_consumer(layers[last])


def _module(network: nn.Module, name: str) -> nn.Module:
    try:
        return network.get_submodule(name)
    except AttributeError:
        return network


def _refusal(name: str, block: nn.Module) -> UnsupportedNetworkError:
    where = f"; {RESIDUAL} must be the network itself" if isinstance(block, _RESIDUAL_BLOCKS) else ""
    return UnsupportedNetworkError(
        f"The channels of {name} ({type(block).__name__}) cannot be permuted: it is not known which other layers "
        f"use them{where}. Regroup networks whose blocks insert_sge knows, without where=[...]."
    )
