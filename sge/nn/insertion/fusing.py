"""Refuses sites that a network's own merging of layers would drop or break.

Networks merge layers for inference by a method of their own, such as ``fuse`` of ultralytics, which joins each convolution
with its batch norm, or ``reparameterize`` of timm, which joins parallel convolutions. SGE between or inside such layers is
lost then. A trial on a copy finds that out, whatever the method does.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sge.errors import UnsupportedNetworkError
from sge.nn.capture import Capture
from sge.nn.insertion.example import example_input
from sge.nn.module import SpatialGroupEnhance

METHODS = ("fuse", "fuse_model", "reparameterize", "switch_to_deploy")
"""Names under which networks and their modules merge layers for inference."""
TOLERANCE = 1e-2
"""Largest difference of the features after an SGE module, relative to the largest of them, that merging may make.

Merging adds the rounding of float32 or float16. SGE that is lost or moved multiplies features by other masks.
"""


def merging_method(network: nn.Module) -> str | None:
    """Name of the first method of ``METHODS`` that the network or a module in it has; None if there is none."""
    return next((name for module in network.modules() if (name := _method_of(module))), None)


def check_merging(network: nn.Module, insert: Callable[[nn.Module], Any]) -> None:
    """Tries the network's own merging on a copy with SGE; the network is not changed.

    Args:
        network: The network before SGE is inserted.
        insert: Inserts SGE into a copy of it.

    Raises:
        UnsupportedNetworkError: An SGE module does not survive, or no longer computes the same.
    """
    method = merging_method(network)
    if method is None:
        return
    try:
        plain, trial = copy.deepcopy(network).eval(), copy.deepcopy(network).eval()
    except Exception:  # A network that cannot be copied, such as one with tensors of a graph, is not tried.
        return
    insert(trial)
    old = _paths(network)
    paths = [path for path in _paths(trial) if path not in old]
    with torch.no_grad():
        _draw(trial)
        try:
            before = _after_sge(trial, paths)
        except (
            Exception
        ):  # A network that needs more than an image; where SGE is named, this was said before.
            return
        try:
            merged = _merge(trial)
        except Exception as error:
            if _merges(plain):
                raise _refusal(network, paths, method) from error
            return
        lost = _lost(merged, before)
    if lost:
        raise _refusal(network, lost, method)


def _lost(merged: nn.Module, before: dict[str, Tensor]) -> list[str]:
    """Paths of the SGE modules that are gone; else the first whose features differ: later ones differ because of it."""
    found = _paths(merged)
    if gone := [path for path in before if path not in found]:
        return gone
    try:
        after = _after_sge(merged, list(before))
    except Exception:  # What merging left cannot be run.
        return list(before)
    return [path for path in before if not _close(before[path], after.get(path))][:1]


def _paths(network: nn.Module) -> list[str]:
    return [path for path, module in network.named_modules() if isinstance(module, SpatialGroupEnhance)]


def _close(before: Tensor, after: Tensor | None) -> bool:
    if after is None or after.shape != before.shape:
        return False
    if before.is_meta:
        return True
    return float((after - before).abs().max()) <= TOLERANCE * float(before.abs().max())


def _after_sge(network: nn.Module, paths: list[str]) -> dict[str, Tensor]:
    """Features after each SGE module for one drawn image, float32; without those that did not run."""
    with Capture(network, (), outputs=paths) as seen:
        network(example_input(network))
    return {path: seen.outputs[path].float() for path in paths if seen.calls[path]}


def _draw(network: nn.Module) -> None:
    """Gives gates and batch norms values of their own, so that a difference shows: those of a new network hide it."""
    random = torch.Generator().manual_seed(0)

    def draw(tensor: Tensor | None, lowest: float) -> None:
        if tensor is not None:
            tensor.copy_(lowest + torch.rand(tensor.shape, generator=random))

    for module in network.modules():
        if isinstance(module, _BatchNorm):
            for tensor, lowest in (
                (module.weight, 0.5),
                (module.bias, -0.5),
                (module.running_mean, -0.5),
                (module.running_var, 0.5),
            ):
                draw(tensor, lowest)
        elif isinstance(module, SpatialGroupEnhance):
            draw(module.weight, 0.5)
            draw(module.bias, -0.5)


def _merge(network: nn.Module) -> nn.Module:
    """Calls the merging methods of the network, or of the outermost modules that have one; the merged network."""
    if name := _method_of(network):
        merged = _call(network, name)
        return merged if isinstance(merged, nn.Module) else network
    for key, child in list(network.named_children()):
        if (merged := _merge(child)) is not child:
            setattr(network, key, merged)
    return network


def _merges(network: nn.Module) -> bool:
    try:
        _merge(network)
    except Exception:
        return False
    return True


def _method_of(module: nn.Module) -> str | None:
    return next((name for name in METHODS if _may_call(getattr(module, name, None))), None)


def _may_call(method: Any) -> bool:
    """Whether it is a method without arguments that must be given: others of these names do something else."""
    if not inspect.ismethod(method):
        return False
    needed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(method).parameters.values()
    return not any(one.default is one.empty and one.kind in needed for one in parameters)


def _call(module: nn.Module, name: str) -> Any:
    method = getattr(module, name)
    silent = {"verbose": False} if "verbose" in inspect.signature(method).parameters else {}
    return method(**silent)


def _refusal(network: nn.Module, paths: list[str], method: str) -> UnsupportedNetworkError:
    names = [path.rpartition(".")[0] for path in paths]
    around = names[0].rpartition(".")[0]
    return UnsupportedNetworkError(
        f"SGE at {', '.join(names)} would be lost when {type(network).__name__} merges its layers for inference: {method}() "
        f"joins or removes the layers there. Name a module around them{f', such as {around}' if around else ''}."
    )
