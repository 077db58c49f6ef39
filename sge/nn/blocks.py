"""The SGE modules of a network, by short names."""

from __future__ import annotations

from torch import nn

from sge.nn.module import SpatialGroupEnhance

_WRAPPERS = ("sge", "se", "drop_path")


def sge_blocks(network: nn.Module) -> dict[str, SpatialGroupEnhance]:
    """Every SGE module by the name of the block that carries it, in the order of the network.

    The name is the module path without the trailing module name (``layer3.5.sge`` is ``layer3.5``); where
    one block carries several, each keeps its whole path.
    """
    paths = {
        path: module for path, module in network.named_modules() if isinstance(module, SpatialGroupEnhance)
    }
    short = {path: _block_of(path) for path in paths}
    taken = list(short.values())
    return {path if taken.count(short[path]) > 1 else short[path]: module for path, module in paths.items()}


def _block_of(path: str) -> str:
    parts = path.split(".")
    trimmed = parts[:-1]
    while len(trimmed) > 1 and trimmed[-1] in _WRAPPERS:
        trimmed.pop()
    return ".".join(trimmed) or path or "sge"
