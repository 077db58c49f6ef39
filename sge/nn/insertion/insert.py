"""Puts SGE into a finished network without changing what it computes."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import nn

from sge.errors import GroupsError, UnsupportedNetworkError
from sge.nn.insertion.named_modules import named_sites
from sge.nn.insertion.sites import FAMILIES, GainedSGE, Site, SqueezeThenSpatial, site_in
from sge.nn.module import SpatialGroupEnhance, nearest_divisor

__all__ = ["SqueezeThenSpatial", "insert_sge"]

log = logging.getLogger(__name__)


def insert_sge(
    network: nn.Module,
    groups: int = 64,
    where: str | Sequence[str] | None = None,
    *,
    exact_groups: bool = False,
) -> nn.Module:
    """Gives a network SGE with inactive gates; in eval mode its outputs stay equal (1e-5 relative).

    ResNets get it after each block's last batch norm (after SE where there is one), ConvNeXt at the end of each
    residual branch; EfficientNet, MobileNet and RegNet on the expanded features of each block, where SE sits
    (after it where there is one). The layer beside it is divided by sigmoid(1), or else the module carries the
    gain. The network is changed in place; keys of its state dict stay and new ones come.

    Args:
        network: ResNet, ResNeXt, Wide-ResNet or RegNet of torchvision or timm; timm's EfficientNet(-Lite),
            MobileNetV2 to V4 or ConvNeXt; with ``where`` any network whose modules put out feature maps.
        groups: Wanted number of groups. Where it does not divide a block's channels, the largest number
            below it that does is taken, and logged.
        where: Names of the blocks that get SGE (``layer3.5``), all by default; or names of any modules, at whose
            output it is then put. Those are found by one forward pass on an empty image.
        exact_groups: Refuse instead of taking another number of groups.

    Returns:
        The same network.

    Raises:
        UnsupportedNetworkError: no block of a known family is there, or ``where`` names an unknown one, or a
            module whose output is no feature map.
        GroupsError: fewer than one group; or ``exact_groups``, and the groups do not divide the channels of some
            block.
    """
    if groups < 1:
        raise GroupsError(f"groups must be at least 1, not {groups}.")
    sites = _sites(network, [where] if isinstance(where, str) else where)
    chosen = {name: _groups_for(name, site.channels, groups, exact_groups) for name, site in sites.items()}
    with torch.no_grad():
        for name, site in sites.items():
            site.put(_made(network, name, site, chosen[name]))
    return network


def _sites(network: nn.Module, where: Sequence[str] | None) -> dict[str, Site]:
    modules = dict(network.named_modules())
    known = {name: find for name, module in modules.items() if (find := site_in(module))}
    if where is None and not known:
        raise UnsupportedNetworkError(
            f"{type(network).__name__} has no block that SGE can be put into. Supported are {FAMILIES}, without "
            "SGE yet; of any other network name the modules: where=[...]."
        )
    wanted = list(known) if where is None else list(dict.fromkeys(where))
    if unknown := [name for name in wanted if not name or name not in modules]:
        raise UnsupportedNetworkError(
            f"No block {', '.join(unknown)} that can carry SGE; there are: {', '.join(known) or 'none'}."
        )
    others = named_sites(network, [name for name in wanted if name not in known])
    return {name: others[name] if name in others else known[name]() for name in wanted}


def _groups_for(name: str, channels: int, wanted: int, exact: bool) -> int:
    groups = nearest_divisor(channels, wanted)
    if groups != wanted:
        message = f"{wanted} groups do not divide the {channels} channels of {name}; {groups} groups do."
        if exact:
            raise GroupsError(message)
        log.info(message)
    return groups


def _made(network: nn.Module, name: str, site: Site, groups: int) -> SpatialGroupEnhance:
    block = network.get_submodule(name)
    like = next(block.parameters(), None)
    if like is None:
        like = next(network.parameters())
    made = (GainedSGE if site.gained else SpatialGroupEnhance)(site.channels, groups)
    return made.to(like.device, like.dtype).train(block.training)
