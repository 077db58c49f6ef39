"""Sites for SGE at the output of any module that the user names, found by one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn

from sge.errors import UnsupportedNetworkError
from sge.nn.blocks import sge_blocks
from sge.nn.capture import Capture
from sge.nn.insertion.example import example_shape
from sge.nn.insertion.feature_maps import not_a_map
from sge.nn.insertion.sites import Site, divide
from sge.nn.modes import eval_mode
from sge.nn.module import SpatialGroupEnhance

_LINEAR_OUTPUTS = (nn.Conv2d, Conv2dSame, nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d, LayerNorm2d)
"""Layers whose output is linear in ``weight`` and ``bias``. Subclasses are left out, because they may do more."""


def named_sites(network: nn.Module, names: Sequence[str]) -> dict[str, Site]:
    """A site at the output of each named module; the network is not changed.

    Args:
        network: Any network with parameters.
        names: Paths of modules in it.

    Raises:
        UnsupportedNetworkError: The network cannot be run on an image, or a module returns no feature map (N, C, H, W),
            runs more than once or never in a pass, or has SGE already.
    """
    if not names:
        return {}
    carrying = sge_blocks(network)
    for name in names:
        if name in carrying or isinstance(getattr(network.get_submodule(name), "sge", None), nn.Module):
            raise UnsupportedNetworkError(f"{name} has SGE already. Name blocks without it.")
    seen = _run(network, names)
    for name in names:
        if (calls := seen.calls[name]) != 1:
            raise UnsupportedNetworkError(
                f"{name} runs {calls} times in a pass; SGE needs a module that runs once. Name another."
            )
    image = example_shape(network)
    return {name: _site(name, network.get_submodule(name), seen.outputs[name], image) for name in names}


def _run(network: nn.Module, names: Sequence[str]) -> Capture:
    like = next(network.parameters())
    shape = example_shape(network)
    try:
        with eval_mode(network), torch.no_grad(), Capture(network, (), outputs=names) as seen:
            network(torch.zeros(1, *shape, device=like.device, dtype=like.dtype))
    except Exception as error:  # A foreign forward may raise anything, and it means the same here.
        raise UnsupportedNetworkError(
            f"{type(network).__name__} cannot be run on an image of {shape} ({error}). One such run is needed to find the "
            "shapes of the outputs of the named modules."
        ) from error
    return seen


def _site(name: str, module: nn.Module, output: Any, image: tuple[int, int, int]) -> Site:
    channels_last = isinstance(module, nn.Linear | nn.LayerNorm) and not isinstance(module, LayerNorm2d)
    shape = tuple(output.shape) if isinstance(output, Tensor) else ()
    reason = not_a_map(shape, image)
    if reason is not None or channels_last:
        returned = shape or type(output).__name__
        raise UnsupportedNetworkError(
            f"{name} returns {returned}; {reason or 'the channels come last'}. Name another module."
        )
    iterates = isinstance(module, nn.ModuleDict | nn.ModuleList | nn.Sequential)
    if iterates and type(module).forward is not nn.Sequential.forward:
        raise UnsupportedNetworkError(
            f"{name} ({type(module).__name__}) iterates over its children with a forward of its own, which would call SGE "
            "as one of them. Name the module after it, or one of its children."
        )
    linear = type(module) in _LINEAR_OUTPUTS and isinstance(module.weight, nn.Parameter)
    return Site(shape[1], partial(_put_after, module, linear), gained=not linear)


def _put_after(module: nn.Module, divided: bool, sge: SpatialGroupEnhance) -> None:
    if divided:
        divide(module.weight, module.bias)  # type: ignore[arg-type]
    # SGE becomes a child of the module: the module keeps its class and its keys, which a wrapper would change.
    module.add_module("sge", sge)
    if type(module).forward is not nn.Sequential.forward:
        module.register_forward_hook(_enhance_output)


def _enhance_output(self: Any, _inputs: tuple[Tensor], output: Tensor) -> Tensor:
    # torch.jit.script compiles hooks that are written as methods, and takes an ignored type error for a type.
    enhanced: Tensor = self.sge(output)
    return enhanced
