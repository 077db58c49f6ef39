"""Which layers of a network touch the channels that an SGE module groups.

A *stream* is a set of channels that must keep one order in every layer it passes: the expansion of one
inverted residual, or the residual stream of a whole stage (``residual.py``).
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

from sge.errors import UnsupportedNetworkError
from sge.nn.blocks import sge_blocks
from sge.nn.insertion.sites import carries_sge
from sge.nn.permutation.builder import Stream, StreamBuilder
from sge.nn.permutation.residual import RESIDUAL, residual_streams

_RESIDUAL_BLOCKS = (
    tv_resnet.BasicBlock,
    tv_resnet.Bottleneck,
    timm_resnet.BasicBlock,
    timm_resnet.Bottleneck,
    ConvNeXtBlock,
)


def streams(network: nn.Module, only: Iterable[str] | None = None) -> list[Stream]:
    """The streams of the blocks that carry SGE, in the order of the network.

    Args:
        network: A network with SGE.
        only: Names of the blocks that matter; all by default.

    Raises:
        UnsupportedNetworkError: no SGE module is there, or the channels of one cannot be put in another order
            without changing the outputs; the message says which layer stands against it.
    """
    carrying = sge_blocks(network)
    if not carrying:
        raise UnsupportedNetworkError(
            f"{type(network).__name__} has no SGE module whose channels could be sorted. "
            "Give it some with sge.insert_sge."
        )
    wanted = set(carrying if only is None else only)
    found = [stream for stream in residual_streams(network) if wanted.intersection(stream.blocks)]
    done = {name for stream in found for name in stream.blocks}
    found += [_expansion(network, name) for name in carrying if name in wanted - done]
    rank = {name: number for number, name in enumerate(carrying)}
    return [stream.finished() for stream in sorted(found, key=lambda stream: rank[stream.blocks[0]])]


def _expansion(network: nn.Module, name: str) -> StreamBuilder:
    block: Any = _module(network, name)
    stream = StreamBuilder(name, sge_blocks(network)[name].channels or 0).carries(name)
    if isinstance(block, BottleneckTransform) and hasattr(block, "sge"):
        stream.writes(block.b[0]).keeps(block.b[1])
        return stream.squeezes(getattr(block, "se", None)).reads(block.c[0])
    if not hasattr(block, "se") or not carries_sge(block.se):
        raise _refusal(name, block)
    if isinstance(block, InvertedResidual):
        stream.writes(block.conv_pw).keeps(block.bn1).keeps(block.conv_dw).keeps(block.bn2)
        return stream.keeps(block.aa).squeezes(block.se).reads(block.conv_pwl)
    if isinstance(block, EdgeResidual):
        stream.writes(block.conv_exp).keeps(block.bn1).keeps(block.aa)
        return stream.squeezes(block.se).reads(block.conv_pwl)
    if isinstance(block, UniversalInvertedResidual):
        stream.writes(block.pw_exp.conv).keeps(block.pw_exp.bn).keeps(block.dw_mid)
        return stream.squeezes(block.se).reads(block.pw_proj.conv)
    if isinstance(block, timm_regnet.Bottleneck):
        stream.writes(block.conv2.conv).keeps(block.conv2.bn)
        return stream.squeezes(block.se).reads(block.conv3.conv)
    raise _refusal(name, block)


def _module(network: nn.Module, name: str) -> nn.Module:
    try:
        return network.get_submodule(name)
    except AttributeError:
        return network


def _refusal(name: str, block: nn.Module) -> UnsupportedNetworkError:
    where = f"; {RESIDUAL} must be the network itself" if isinstance(block, _RESIDUAL_BLOCKS) else ""
    return UnsupportedNetworkError(
        f"The channels of {name} ({type(block).__name__}) cannot be sorted: it is not known which other layers "
        f"use them{where}. Sort the networks whose blocks insert_sge knows, without where=[...]."
    )
