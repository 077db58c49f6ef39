"""Inserts SGE into a trained network without changing what it computes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from sge.errors import GroupsError, UnsupportedNetworkError
from sge.nn.conventions import wrapped_network
from sge.nn.insertion.feature_maps import proposed_modules
from sge.nn.insertion.fusing import check_merging
from sge.nn.insertion.named_modules import named_sites
from sge.nn.insertion.sites import FAMILIES, GainedSGE, Site, site_in
from sge.nn.module import SpatialGroupEnhance, nearest_divisor

log = logging.getLogger(__name__)


def insert_sge(
    network: nn.Module,
    groups: int = 64,
    where: str | Sequence[str] | None = None,
    *,
    exact_groups: bool = False,
) -> nn.Module:
    """Inserts SGE modules with inactive gates; in eval mode the outputs stay equal (1e-5 relative).

    In ResNets the module follows each block's last batch norm (and its SE, if it has one). In ConvNeXt it ends each
    residual branch. In EfficientNet, MobileNet, MNASNet and RegNet it works on the expanded features of each block, in the
    position of SE or after it; in DenseNet on the bottleneck's features of each layer, before its 3x3 convolution; in
    GoogLeNet on the output of each Inception module. An inactive gate multiplies by sigmoid(1), so the neighbouring layer
    is divided by that number; if no neighbouring layer allows it, the module has a constant gain. The network is changed in
    place; the keys of its state dict stay, and those of the modules are added.

    Args:
        network: ResNet, ResNeXt, Wide-ResNet, RegNet, EfficientNet, MobileNetV2, MobileNetV3 or ConvNeXt of torchvision
            or timm; EfficientNet-Lite or MobileNetV4 of timm; DenseNet, GoogLeNet or MNASNet of torchvision; with
            ``where`` any network whose modules return feature maps, such as ultralytics' YOLO.
        groups: Number of groups. If it does not divide a block's channels, the largest smaller number that does is used,
            and logged.
        where: Names of the blocks that get SGE (``layer3.5``), all by default; or names of any modules, whose output
            then goes through SGE. The shapes of such outputs are found by one forward pass on an image of zeros.
        exact_groups: Refuse instead of using another number of groups.

    Returns:
        The same network.

    Raises:
        UnsupportedNetworkError: The network has no block of a known family, or ``where`` names an unknown module or one
            whose output is not a feature map, or SGE there would be lost when the network merges its layers for
            inference (``fuse`` of ultralytics, ``reparameterize`` of timm), which is tried on a copy.
        GroupsError: ``groups`` is below 1, or with ``exact_groups`` it does not divide the channels of a block.
    """
    if groups < 1:
        raise GroupsError(f"groups must be at least 1, not {groups}.")
    _require_network(network)
    names = [where] if isinstance(where, str) else where
    sites = _sites(network, names)
    chosen = {name: _groups_for(name, site.channels, groups, exact_groups) for name, site in sites.items()}
    check_merging(network, lambda trial: _put(trial, _sites(trial, names), chosen))
    _put(network, sites, chosen)
    return network


def without_gain(network: nn.Module) -> nn.Module:
    """Takes the constant gain from inserted modules, for weights that were trained with SGE alone; returns the network."""
    for module in network.modules():
        if isinstance(module, GainedSGE):
            module.__class__ = SpatialGroupEnhance  # type: ignore[assignment]
    return network


def _put(network: nn.Module, sites: dict[str, Site], groups: dict[str, int]) -> None:
    with torch.no_grad():
        for name, site in sites.items():
            site.put(_new_module(network, name, site, groups[name]))


def _require_network(network: Any) -> None:
    if not isinstance(network, nn.Module):
        raise UnsupportedNetworkError(
            f"SGE is inserted into a torch.nn.Module, and this is {type(network).__name__}. Of a Model, give model.network."
        )
    if wrapped_network(network) is not None:
        raise UnsupportedNetworkError(
            f"{type(network).__name__} is not the network itself: calling it does more than one pass. Give the network in "
            "it, which is its attribute model."
        )


def _sites(network: nn.Module, where: Sequence[str] | None) -> dict[str, Site]:
    modules = dict(network.named_modules())
    known = {name: find for name, module in modules.items() if (find := site_in(module))}
    if where is None and not known:
        raise UnsupportedNetworkError(
            f"{type(network).__name__} has no block that SGE can be put into. Supported are {FAMILIES}, if they have no "
            f"SGE yet; of any other network name modules that return feature maps: {_where(network)}."
        )
    names = list(known) if where is None else list(dict.fromkeys(where))
    if unknown := [name for name in names if not name or name not in modules]:
        first = ", ".join(unknown[:3]) + (", ..." if len(unknown) > 3 else "")
        there = (
            f"there are: {', '.join(known)}" if known else f"name modules of the network: {_where(network)}"
        )
        raise UnsupportedNetworkError(f"No block {first} that can carry SGE; {there}.")
    others = named_sites(network, [name for name in names if name not in known])
    return {name: others[name] if name in others else known[name]() for name in names}


def _where(network: nn.Module) -> str:
    """The argument that names modules, with those that the network has."""
    proposed = proposed_modules(network)
    if not proposed:
        return "where=[...]"
    listed = ", ".join(f'"{path}"' for path in proposed)
    return f"where=[{listed}], in a network's name ?where={proposed[-1]}"


def _groups_for(name: str, channels: int, asked: int, exact: bool) -> int:
    groups = nearest_divisor(channels, asked)
    if groups != asked:
        message = f"{asked} groups do not divide the {channels} channels of {name}; {groups} groups do."
        if exact:
            raise GroupsError(message)
        log.info(message)
    return groups


def _new_module(network: nn.Module, name: str, site: Site, groups: int) -> SpatialGroupEnhance:
    block = network.get_submodule(name)
    like = next(block.parameters(), None)
    if like is None:
        like = next(network.parameters())
    made = (GainedSGE if site.gained else SpatialGroupEnhance)(site.channels, groups)
    return made.to(like.device, like.dtype).train(block.training)
