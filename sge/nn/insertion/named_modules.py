"""Places for SGE at the output of any module that the user names, found by one forward pass."""

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
from sge.nn.insertion.sites import Site, divide
from sge.nn.modes import eval_mode
from sge.nn.module import SpatialGroupEnhance

SIDE = 224
"""Of the image that is sent through, in pixels, where the network does not state its own."""
_LINEAR_OUTPUTS = (nn.Conv2d, Conv2dSame, nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d, LayerNorm2d)
"""Exactly these end in a product with ``weight`` plus ``bias``; subclasses may do more."""


def named_sites(network: nn.Module, names: Sequence[str]) -> dict[str, Site]:
    """A place at the output of each named module; the network is left as it is.

    Raises:
        UnsupportedNetworkError: the network cannot be run on an image, or a module's output is no feature map
            (N, C, H, W), or comes more than once or never in a pass, or carries SGE already.
    """
    if not names:
        return {}
    carrying = sge_blocks(network)
    for name in names:
        if name in carrying or isinstance(getattr(network.get_submodule(name), "sge", None), nn.Module):
            raise UnsupportedNetworkError(f"{name} carries SGE already. Name blocks without it.")
    outputs = _outputs(network, names)
    return {name: _site(name, network.get_submodule(name), outputs[name]) for name in names}


def _outputs(network: nn.Module, names: Sequence[str]) -> dict[str, list[Any]]:
    seen: dict[str, list[Any]] = {name: [] for name in names}
    hooks = [network.get_submodule(name).register_forward_hook(partial(_note, seen[name])) for name in names]
    like = next(network.parameters())
    shape = (getattr(network, "default_cfg", None) or {}).get("input_size", (3, SIDE, SIDE))
    try:
        with eval_mode(network), torch.inference_mode():
            network(torch.zeros(1, *shape, device=like.device, dtype=like.dtype))
    except Exception as error:  # Whatever a foreign forward raises, it means the same here.
        raise UnsupportedNetworkError(
            f"{type(network).__name__} cannot be run on an image of {shape} ({error}), which must be done once "
            "to see what the named modules put out."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _note(into: list[Any], _module: nn.Module, _inputs: Any, output: Any) -> None:
    into.append(tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__)


def _site(name: str, module: nn.Module, outputs: list[Any]) -> Site:
    if len(outputs) != 1:
        raise UnsupportedNetworkError(
            f"{name} runs {len(outputs)} times in a pass; SGE needs a module that runs once. Name another."
        )
    shape = outputs[0]
    last = isinstance(module, nn.Linear | nn.LayerNorm) and not isinstance(module, LayerNorm2d)
    if not isinstance(shape, tuple) or len(shape) != 4 or last:
        raise UnsupportedNetworkError(
            f"{name} puts out {shape}; SGE needs a feature map (N, C, H, W). Name another module."
        )
    walks = isinstance(module, nn.ModuleDict | nn.ModuleList | nn.Sequential)
    if walks and type(module).forward is not nn.Sequential.forward:
        raise UnsupportedNetworkError(
            f"{name} ({type(module).__name__}) goes through its parts in its own way, where SGE would be taken for "
            "one of them. Name the module after it, or one in it."
        )
    linear = type(module) in _LINEAR_OUTPUTS and isinstance(module.weight, nn.Parameter)
    return Site(shape[1], partial(_put_after, module, linear), gained=not linear)


def _put_after(module: nn.Module, divided: bool, sge: SpatialGroupEnhance) -> None:
    if divided:
        divide(module.weight, module.bias)  # type: ignore[arg-type]
    # Inside the module, not around it: its own keys, and the type that others look for, stay.
    module.add_module("sge", sge)
    if type(module).forward is not nn.Sequential.forward:
        module.register_forward_hook(_enhance_output)


def _enhance_output(module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
    return module.sge(output)  # type: ignore[no-any-return,operator]
