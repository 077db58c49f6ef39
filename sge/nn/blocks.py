"""Finds the SGE, CBAM and BAM modules of a network and names them by their blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.fx
from torch import nn

from sge.errors import CaptureError, UnknownBlockError, UnsupportedNetworkError
from sge.nn.attention import BottleneckAttention, ConvolutionalBlockAttention
from sge.nn.compiled import clean_path
from sge.nn.convert import FormulaGroupEnhance
from sge.nn.foreign import ForeignSGE, foreign_sge, similar_modules
from sge.nn.foreign_maps import ForeignMap, foreign_map
from sge.nn.formula import Formula
from sge.nn.module import SpatialGroupEnhance

SGEBlock = SpatialGroupEnhance | ForeignSGE
"""An SGE module: of this package, or somebody else's with the same ``groups``, ``weight``, ``bias`` and ``gate``."""
SpatialModule = SGEBlock | BottleneckAttention | ConvolutionalBlockAttention | ForeignMap
"""A module with a ``gate`` that outputs spatial maps, and a number of ``groups``."""
_WRAPPERS = ("sge", "se", "cbam", "drop_path")
"""Names of the modules inside a block that hold its attention."""


def sge_blocks(network: nn.Module) -> dict[str, SGEBlock]:
    """Block name to SGE module, in the order of the network; also modules of other people's code (``foreign.py``).

    A block's name is the path of its module without the last part: ``layer3.5.sge`` is named ``layer3.5``. If one block
    has several modules, each is named by its whole path. Names that wrappers put into a path, such as those of
    torch.compile, DataParallel and activation checkpointing, are left out.
    """
    found = {path: _as_sge(module) for path, module in network.named_modules()}
    paths = {path: block for path, block in found.items() if block is not None}
    return {name: paths[path] for name, path in _shortened(network, list(paths)).items()}


def own_sge_blocks(network: nn.Module) -> dict[str, SpatialGroupEnhance]:
    """``sge_blocks`` of a network whose SGE modules are all of this package, for what changes or replaces them.

    Raises:
        UnsupportedNetworkError: The network has SGE modules of other people's code.
    """
    own: dict[str, SpatialGroupEnhance] = {}
    for name, block in sge_blocks(network).items():
        if isinstance(block, ForeignSGE):
            raise UnsupportedNetworkError(
                f"{name} has an SGE module of another class, {type(block.module).__name__}, which can be read and edited "
                "but not changed in this way. Replace it first: sge.convert_sge(network)."
            )
        own[name] = block
    return own


def spatial_blocks(network: nn.Module) -> dict[str, SpatialModule]:
    """Block name to each module with spatial maps: SGE, CBAM and BAM, and what works like them. Names as ``sge_blocks``."""
    found = {path: _as_spatial(module) for path, module in network.named_modules()}
    paths = {path: block for path, block in found.items() if block is not None}
    return {name: paths[path] for name, path in _shortened(network, list(paths)).items()}


def block_module(block: SpatialModule) -> nn.Module:
    """The module of the network that a block is."""
    return block.module if isinstance(block, ForeignSGE | ForeignMap) else block


def block_formula(block: SGEBlock) -> Formula:
    """How an SGE module computes its similarity."""
    if isinstance(block, ForeignSGE | FormulaGroupEnhance):
        return block.formula
    return Formula(block.groups, eps=block.eps)


def gate_parameters(block: SGEBlock) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight and bias of an SGE module as the network holds them, in their own shapes."""
    return block.parameters if isinstance(block, ForeignSGE) else (block.weight, block.bias)


def _as_sge(module: nn.Module) -> SGEBlock | None:
    return module if isinstance(module, SpatialGroupEnhance) else foreign_sge(module)


def _as_spatial(module: nn.Module) -> SpatialModule | None:
    if isinstance(module, BottleneckAttention | ConvolutionalBlockAttention):
        return module
    return _as_sge(module) or foreign_map(module)


def named_blocks(network: nn.Module, names: Sequence[str] | None) -> dict[str, SpatialModule]:
    """The blocks of ``spatial_blocks`` with the given names, in the order of the network; all of them for None.

    Raises:
        UnknownBlockError: The network has no block of a given name; the message lists the names.
    """
    known = spatial_blocks(network)
    names = None if names is None else list(names)
    if unknown := [name for name in names or () if name not in known]:
        raise UnknownBlockError(f"No block {', '.join(unknown)}; there are: {', '.join(known)}.")
    return known if names is None else {name: known[name] for name in known if name in names}


def submodule(network: nn.Module, path: str) -> nn.Module:
    """The module at a path, with the names of wrappers or without them.

    Raises:
        UnknownBlockError: There is none.
    """
    try:
        return network.get_submodule(path)
    except AttributeError:
        clean = {clean_path(network, full): full for full, _ in network.named_modules()}
        if path not in clean:
            raise UnknownBlockError(
                f"{type(network).__name__} has no module {path}; network.named_modules() lists them."
            ) from None
        return network.get_submodule(clean[path])


def require_spatial_blocks(network: nn.Module) -> dict[str, SpatialModule]:
    """``spatial_blocks`` of a network that must have some.

    Raises:
        CaptureError: The network has no spatial maps.
    """
    if not isinstance(network, nn.Module):
        raise CaptureError(
            f"A network is a torch.nn.Module, and this is {type(network).__name__}. Of a Model, give model.network."
        )
    if not (blocks := spatial_blocks(network)):
        if any(isinstance(one, torch.jit.ScriptModule | torch.fx.GraphModule) for one in network.modules()):
            raise CaptureError(
                f"{type(network).__name__} was traced, scripted or exported, which left out the SGE modules whose masks "
                "could be read. Give the network that it was made from."
            )
        similar = "".join(
            f" {path} looks like SGE, but it {why} (sge.foreign_report)."
            for path, why in list(similar_modules(network).items())[:1]
        )
        raise CaptureError(
            f"{type(network).__name__} has no SGE module whose masks could be read, nor CBAM or BAM (SE and GC have no "
            f"spatial masks). Give it some with sge.insert_sge.{similar}"
        )
    return blocks


def inactive_groups(module: SpatialModule) -> int:
    """Number of groups whose gate has weight 0. The maps of CBAM and BAM have no such weight: they give 0."""
    return int((module.weight == 0).sum()) if isinstance(module, SGEBlock) else 0


def _shortened(network: nn.Module, paths: list[str]) -> dict[str, str]:
    clean = {path: clean_path(network, path).split(".") for path in paths}
    short = {path: _block_of(names) for path, names in clean.items()}
    taken = list(short.values())
    return {".".join(clean[path]) if taken.count(short[path]) > 1 else short[path]: path for path in paths}


def _block_of(names: list[str]) -> str:
    trimmed = names[:-1]
    while len(trimmed) > 1 and trimmed[-1] in _WRAPPERS:
        trimmed.pop()
    return ".".join(trimmed or names) or "sge"
