"""Which layers of a network touch the channels that an SGE module groups.

A *stream* is a set of channels that must keep one order in every layer it passes: the expansion of one
inverted residual, or the residual stream of a whole stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timm.models._efficientnet_blocks import InvertedResidual
from torch import nn

from sge.nn.blocks import sge_blocks
from sge.nn.errors import UnsupportedNetworkError


@dataclass(frozen=True)
class Stream:
    """Channels that share one order, and every layer that touches them."""

    blocks: tuple[str, ...]
    """Names of the blocks whose SGE modules group these channels."""
    channels: int
    writers: tuple[nn.Module, ...]
    """Convolutions whose outputs they are."""
    carriers: tuple[nn.Module, ...]
    """Layers that keep each channel for itself: norms, depthwise convolutions."""
    readers: tuple[nn.Module, ...]
    """Convolutions and linear layers whose inputs they are."""


def streams(network: nn.Module) -> list[Stream]:
    """The streams of every block that carries SGE, in the order of the network.

    Raises:
        UnsupportedNetworkError: no SGE module is there, or the channels of one cannot be put in another order.
    """
    carrying = sge_blocks(network)
    if not carrying:
        raise UnsupportedNetworkError(
            f"{type(network).__name__} has no SGE module whose channels could be sorted. "
            "Give it some with sge.insert_sge."
        )
    found = []
    for name in carrying:
        block = network.get_submodule(name)
        if not isinstance(block, InvertedResidual):
            raise UnsupportedNetworkError(
                f"The channels of {name} ({type(block).__name__}) cannot be sorted."
            )
        found.append(_expansion(name, block))
    return found


def _expansion(name: str, block: Any) -> Stream:
    carriers = [block.bn1, block.conv_dw, block.bn2]
    writers, readers = [block.conv_pw], [block.conv_pwl]
    return Stream((name,), block.conv_pwl.in_channels, tuple(writers), tuple(carriers), tuple(readers))
