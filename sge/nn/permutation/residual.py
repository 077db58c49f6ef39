"""Channels that the blocks of a stage share in ResNets and ConvNeXt, because each block adds to its input."""

from __future__ import annotations

from typing import Any

from timm.models import resnet as timm_resnet
from timm.models.convnext import ConvNeXt
from torch import nn
from torchvision.models import convnext as tv_convnext
from torchvision.models import resnet as tv_resnet

from sge.nn.attention import BottleneckAttention
from sge.nn.blocks import own_sge_blocks
from sge.nn.module import SpatialGroupEnhance
from sge.nn.permutation.builder import SharedChannelsBuilder

RESIDUAL = "a ResNet or ConvNeXt"
"""The families whose stages share channels, as messages name them."""


def residual_channels(network: nn.Module) -> list[SharedChannelsBuilder]:
    """One builder for each set of shared channels of a ResNet or a ConvNeXt (torchvision, timm).

    Any other network gives an empty list.
    """
    if isinstance(network, tv_resnet.ResNet | timm_resnet.ResNet):
        return _resnet(network)
    if isinstance(network, tv_convnext.ConvNeXt):
        return _torchvision_convnext(network)
    return _convnext(network) if isinstance(network, ConvNeXt) else []


def _resnet(network: Any) -> list[SharedChannelsBuilder]:
    with_sge = own_sge_blocks(network)
    stem: Any = network.conv1[-1] if isinstance(network.conv1, nn.Sequential) else network.conv1
    current = SharedChannelsBuilder("layer1", stem.out_channels)
    current.add_producer(stem).add_per_channel(network.bn1).add_per_channel(network.maxpool)
    found = [current]
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        for number, block in network.get_submodule(stage).named_children():
            if isinstance(block, SpatialGroupEnhance):
                continue  # insert_sge(where=["layer1"]) put it at the output of the stage, which has the same channels.
            name = f"{stage}.{number}"
            current.add_consumer(block.conv1)
            if block.downsample is not None:
                current = _after_downsampling(name, block.downsample, current)
                found.append(current)
            _add_branch(current, block)
            if name in with_sge:
                current.add_block(name)
        if stage in with_sge:
            current.add_block(stage)
        _add_between(current, getattr(network, stage.replace("layer", "bam"), None))
    _add_head(current, network.fc)
    return found


def _after_downsampling(
    name: str, downsample: nn.Module, before: SharedChannelsBuilder
) -> SharedChannelsBuilder:
    """The channels that a shortcut's convolution produces; it consumes those of ``before``."""
    layers = list(downsample.children())
    convolution: Any = next((layer for layer in layers if isinstance(layer, nn.Conv2d)), None)
    if convolution is None:
        before.refuse(downsample, "it is no shortcut of a known kind")
        return SharedChannelsBuilder(name, 0).refuse(downsample, "it is no shortcut of a known kind")
    before.add_consumer(convolution)
    after = SharedChannelsBuilder(name, convolution.out_channels).add_producer(convolution)
    for layer in layers:
        if layer is not convolution:
            after.add_per_channel(
                layer
            )  # A pooling before the convolution has no tensors; a norm after it has.
    return after


def _add_branch(channels: SharedChannelsBuilder, block: Any) -> None:
    if isinstance(block, tv_resnet.Bottleneck | timm_resnet.Bottleneck):
        channels.add_producer(block.conv3).add_per_channel(block.bn3)
    elif isinstance(block, tv_resnet.BasicBlock | timm_resnet.BasicBlock):
        channels.add_producer(block.conv2).add_per_channel(block.bn2)
    else:
        channels.refuse(block, "its layers are not known")
    for kind in ("se", "cbam", "gc"):
        channels.add_channel_attention(getattr(block, kind, None))


def _add_between(channels: SharedChannelsBuilder, module: Any) -> None:
    """Adds BAM after a stage: both its branches consume the channels, one produces a logit for each."""
    if isinstance(module, BottleneckAttention):
        channels.add_consumer(module.reduce).add_producer(module.expand).add_consumer(module.spatial[0])
    elif module is not None:
        channels.refuse(module, "what it does to them is not known")


def _add_head(channels: SharedChannelsBuilder, layer: nn.Module) -> None:
    if isinstance(layer, nn.Identity):
        channels.refuse(layer, "the network returns them as its output, in their order")
    else:
        channels.add_consumer(layer)


def _convnext(network: Any) -> list[SharedChannelsBuilder]:
    with_sge = own_sge_blocks(network)
    current = SharedChannelsBuilder("stages.0", 0)
    found = []
    for layer in network.stem.children():
        current = _next_layer("stages.0", layer, current)
    found.append(current)
    for number, stage in network.stages.named_children():
        for layer in stage.downsample.children():
            current = _next_layer(f"stages.{number}", layer, current)
        found.append(current)
        for index, block in stage.blocks.named_children():
            current.add_per_channel(block.shortcut).add_per_channel(block.conv_dw).add_per_channel(block.norm)
            current.add_consumer(block.mlp.fc1).add_producer(block.mlp.fc2)
            if block.gamma is not None:
                current.add_vector(block.gamma)
            if (name := f"stages.{number}.blocks.{index}") in with_sge:
                current.add_block(name)
    current.add_per_channel(network.norm_pre).add_per_channel(getattr(network.head, "norm", nn.Identity()))
    hidden = getattr(getattr(network.head, "pre_logits", None), "fc", None)
    _add_head(current, network.head.fc if hidden is None else hidden)
    return list(dict.fromkeys(found))


def _torchvision_convnext(network: Any) -> list[SharedChannelsBuilder]:
    with_sge = own_sge_blocks(network)
    current = SharedChannelsBuilder("features.0", 0)
    found = []
    for number, stage in network.features.named_children():
        for index, layer in stage.named_children():
            name = f"features.{number}.{index}"
            if not isinstance(layer, tv_convnext.CNBlock):
                current = _next_layer(name, layer, current)
                found.append(current)
                continue
            depthwise, _, norm, first, _, last, _ = layer.block
            current.add_per_channel(depthwise).add_per_channel(norm).add_consumer(first).add_producer(last)
            current.add_vector(layer.layer_scale)
            if name in with_sge:
                current.add_block(name)
    norm, _, head = network.classifier
    current.add_per_channel(norm)
    _add_head(current, head)
    return list(dict.fromkeys(found))


def _next_layer(name: str, layer: nn.Module, channels: SharedChannelsBuilder) -> SharedChannelsBuilder:
    """Adds a layer between stages; a convolution consumes the channels and produces the ones after it."""
    if not isinstance(layer, nn.Conv2d):
        return channels.add_per_channel(layer)
    channels.add_consumer(layer)
    return SharedChannelsBuilder(name, layer.out_channels).add_producer(layer)
