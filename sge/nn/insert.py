"""Puts SGE into a finished network without changing what it computes.

A sleeping gate multiplies by sigmoid(1) everywhere; the layer beside it is divided by the same number.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import torch
from timm.models._efficientnet_blocks import InvertedResidual
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from sge.nn.errors import GroupsError, UnsupportedNetworkError
from sge.nn.module import SLEEPING_MASK, SpatialGroupEnhance, nearest_divisor
from sge.nn.resnet import SGEBasicBlock, SGEBottleneck

log = logging.getLogger(__name__)

_ENHANCED: dict[type[nn.Module], type[nn.Module]] = {BasicBlock: SGEBasicBlock, Bottleneck: SGEBottleneck}


class SqueezeThenSpatial(nn.Module):
    """A block's squeeze-and-excitation, kept, with SGE after it."""

    def __init__(self, se: nn.Module, sge: SpatialGroupEnhance) -> None:
        super().__init__()
        self.se = se
        self.sge = sge

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        return self.sge(self.se(x))  # type: ignore[no-any-return]


def insert_sge(
    network: nn.Module, groups: int = 64, where: list[str] | None = None, *, exact_groups: bool = False
) -> nn.Module:
    """Gives a network SGE with sleeping gates; in eval mode its outputs stay equal (1e-5 relative).

    torchvision's ResNet family gets it after each block's last batch norm, whose affine part is divided by
    sigmoid(1); timm's EfficientNet family on the expanded features of each inverted residual, where SE sits
    (after SE where there is one), and the projection that follows is divided. The network is changed in place.

    Args:
        network: A torchvision ResNet, ResNeXt or Wide-ResNet, or a timm EfficientNet(-Lite).
        groups: Wanted number of groups. Where it does not divide a block's channels, the largest number
            below it that does is taken, and logged.
        where: Names of the blocks that get SGE (``layer3.5``); all by default.
        exact_groups: Refuse instead of taking another number of groups.

    Returns:
        The same network.

    Raises:
        UnsupportedNetworkError: no block of a known family is there, or ``where`` names an unknown one.
        GroupsError: ``exact_groups`` and the groups do not divide the channels of some block.
    """
    places = dict(_places(network))
    if where is not None:
        if unknown := [name for name in where if name not in places]:
            raise UnsupportedNetworkError(
                f"No block {', '.join(unknown)} that can carry SGE; there are: {', '.join(places) or 'none'}."
            )
        places = {name: places[name] for name in where}
    if not places:
        raise UnsupportedNetworkError(
            f"{type(network).__name__} has no block that SGE can be put into. Supported are torchvision's "
            "ResNet, ResNeXt and Wide-ResNet, and timm's EfficientNet and EfficientNet-Lite, without SGE yet."
        )
    chosen = {
        name: _groups_for(name, _channels(block), groups, exact_groups) for name, block in places.items()
    }
    with torch.no_grad():
        for name, block in places.items():
            _enhance(network, name, block, chosen[name])
    return network


def _places(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, module in network.named_modules():
        if type(module) in _ENHANCED or (isinstance(module, InvertedResidual) and not _has_sge(module)):
            yield name, module


def _has_sge(block: nn.Module) -> bool:
    return any(isinstance(module, SpatialGroupEnhance) for module in block.modules())


def _last_norm(block: nn.Module) -> nn.BatchNorm2d:
    norm = block.bn3 if isinstance(block, Bottleneck) else block.bn2
    if not isinstance(norm, nn.BatchNorm2d) or not norm.affine:
        raise UnsupportedNetworkError(
            f"The block's last norm is {type(norm).__name__}; an affine BatchNorm2d is needed to compensate SGE."
        )
    return norm


def _channels(block: nn.Module) -> int:
    if isinstance(block, InvertedResidual):
        return int(block.conv_pwl.in_channels)
    return _last_norm(block).num_features


def _groups_for(name: str, channels: int, wanted: int, exact: bool) -> int:
    groups = nearest_divisor(channels, wanted)
    if groups != wanted:
        message = f"{wanted} groups do not divide the {channels} channels of {name}; {groups} groups do."
        if exact:
            raise GroupsError(message)
        log.info(message)
    return groups


def _enhance(network: nn.Module, name: str, block: nn.Module, groups: int) -> None:
    like = next(block.parameters())
    sge = SpatialGroupEnhance(_channels(block), groups).to(like.device, like.dtype).train(block.training)
    if isinstance(block, InvertedResidual):
        block.conv_pwl.weight.div_(SLEEPING_MASK)
        block.se = sge if isinstance(block.se, nn.Identity) else SqueezeThenSpatial(block.se, sge)
        return
    norm = _last_norm(block)
    norm.weight.div_(SLEEPING_MASK)
    norm.bias.div_(SLEEPING_MASK)
    block.sge = sge
    # The block keeps its identity (hooks, references) and its keys; only its forward is now the SGE one.
    block.__class__ = _ENHANCED[type(block)]
