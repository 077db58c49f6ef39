"""The residual streams of whole stages: in ResNets and ConvNeXt, channels keep one order from block to block."""

from __future__ import annotations

from typing import Any

from timm.models import resnet as timm_resnet
from timm.models.convnext import ConvNeXt
from torch import nn
from torchvision.models import resnet as tv_resnet

from sge.nn.attention import BottleneckAttention
from sge.nn.blocks import sge_blocks
from sge.nn.module import SpatialGroupEnhance
from sge.nn.permutation.builder import StreamBuilder

RESIDUAL = "a ResNet or ConvNeXt"


def residual_streams(network: nn.Module) -> list[StreamBuilder]:
    """The streams of a ResNet (torchvision, timm) or a ConvNeXt (timm); none of any other network."""
    if isinstance(network, tv_resnet.ResNet | timm_resnet.ResNet):
        return _resnet(network)
    return _convnext(network) if isinstance(network, ConvNeXt) else []


def _resnet(network: Any) -> list[StreamBuilder]:
    carrying = sge_blocks(network)
    stem: Any = network.conv1[-1] if isinstance(network.conv1, nn.Sequential) else network.conv1
    current = StreamBuilder("layer1", stem.out_channels)
    current.writes(stem).keeps(network.bn1).keeps(network.maxpool)
    found = [current]
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        for number, block in network.get_submodule(stage).named_children():
            if isinstance(block, SpatialGroupEnhance):
                continue  # At the output of the stage, where it was named: same channels.
            name = f"{stage}.{number}"
            current.reads(block.conv1)
            if block.downsample is not None:
                current = _after_downsampling(name, block.downsample, current)
                found.append(current)
            _add_branch(current, block)
            if name in carrying:
                current.carries(name)
        if stage in carrying:
            current.carries(stage)
        _add_between(current, getattr(network, stage.replace("layer", "bam"), None))
    _add_head(current, network.fc)
    return found


def _after_downsampling(name: str, downsample: nn.Module, before: StreamBuilder) -> StreamBuilder:
    """The stream that a shortcut's convolution begins; it reads the one before."""
    layers = list(downsample.children())
    convolution: Any = next((layer for layer in layers if isinstance(layer, nn.Conv2d)), None)
    if convolution is None:
        before.refuse(downsample, "it is no shortcut of a known kind")
        return StreamBuilder(name, 0).refuse(downsample, "it is no shortcut of a known kind")
    before.reads(convolution)
    after = StreamBuilder(name, convolution.out_channels).writes(convolution)
    for layer in layers:
        if layer is not convolution:
            after.keeps(layer)  # A pool before it has nothing to sort; a norm has.
    return after


def _add_branch(stream: StreamBuilder, block: Any) -> None:
    if isinstance(block, tv_resnet.Bottleneck | timm_resnet.Bottleneck):
        stream.writes(block.conv3).keeps(block.bn3)
    elif isinstance(block, tv_resnet.BasicBlock | timm_resnet.BasicBlock):
        stream.writes(block.conv2).keeps(block.bn2)
    else:
        stream.refuse(block, "its layers are not known")
    for kind in ("se", "cbam", "gc"):
        stream.squeezes(getattr(block, kind, None))


def _add_between(stream: StreamBuilder, module: Any) -> None:
    """BAM after a stage: its two branches read the channels, one writes a logit for each."""
    if isinstance(module, BottleneckAttention):
        stream.reads(module.reduce).writes(module.expand).reads(module.spatial[0])
    elif module is not None:
        stream.refuse(module, "what it does to them is not known")


def _add_head(stream: StreamBuilder, layer: nn.Module) -> None:
    if isinstance(layer, nn.Identity):
        stream.refuse(layer, "the network puts them out as they are, in their order")
    else:
        stream.reads(layer)


def _convnext(network: Any) -> list[StreamBuilder]:
    carrying = sge_blocks(network)
    current = StreamBuilder("stages.0", 0)
    found = []
    for layer in network.stem.children():
        current = _next_layer("stages.0", layer, current)
    found.append(current)
    for number, stage in network.stages.named_children():
        for layer in stage.downsample.children():
            current = _next_layer(f"stages.{number}", layer, current)
        found.append(current)
        for index, block in stage.blocks.named_children():
            current.keeps(block.shortcut).keeps(block.conv_dw).keeps(block.norm)
            current.reads(block.mlp.fc1).writes(block.mlp.fc2)
            if block.gamma is not None:
                current.scales(block.gamma)
            if (name := f"stages.{number}.blocks.{index}") in carrying:
                current.carries(name)
    current.keeps(network.norm_pre).keeps(getattr(network.head, "norm", nn.Identity()))
    hidden = getattr(getattr(network.head, "pre_logits", None), "fc", None)
    _add_head(current, network.head.fc if hidden is None else hidden)
    return list(dict.fromkeys(found))


def _next_layer(name: str, layer: nn.Module, stream: StreamBuilder) -> StreamBuilder:
    """A convolution ends one stream and begins the next; any other layer belongs to its stream."""
    if not isinstance(layer, nn.Conv2d):
        return stream.keeps(layer)
    stream.reads(layer)
    return StreamBuilder(name, layer.out_channels).writes(layer)
