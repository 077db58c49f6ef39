"""The SGE modules of a network, and all that make spatial maps, by short names."""

from __future__ import annotations

from torch import nn

from sge.errors import CaptureError
from sge.nn.attention import BottleneckAttention, ConvolutionalBlockAttention
from sge.nn.module import SpatialGroupEnhance

SpatialModule = SpatialGroupEnhance | BottleneckAttention | ConvolutionalBlockAttention
"""What has a ``gate`` whose output is a map over space, and a number of ``groups``."""
_WRAPPERS = ("sge", "se", "cbam", "drop_path")
_AROUND = ("_orig_mod", "module")
"""What torch.compile and DataParallel put in front of every name."""


def sge_blocks(network: nn.Module) -> dict[str, SpatialGroupEnhance]:
    """Every SGE module by the name of the block that carries it, in the order of the network.

    The name is the module path without the trailing module name (``layer3.5.sge`` is ``layer3.5``); where
    one block carries several, each keeps its whole path.
    """
    paths = {
        path: module for path, module in network.named_modules() if isinstance(module, SpatialGroupEnhance)
    }
    return {name: paths[path] for name, path in _shortened(list(paths)).items()}


def spatial_blocks(network: nn.Module) -> dict[str, SpatialModule]:
    """Every module that makes spatial maps: SGE's, and those of CBAM and BAM, which have one map each."""
    paths = {path: module for path, module in network.named_modules() if isinstance(module, SpatialModule)}
    return {name: paths[path] for name, path in _shortened(list(paths)).items()}


def require_spatial_blocks(network: nn.Module) -> dict[str, SpatialModule]:
    """``spatial_blocks`` of a network that has some.

    Raises:
        CaptureError: the network makes no spatial maps.
    """
    if not (blocks := spatial_blocks(network)):
        raise CaptureError(
            f"{type(network).__name__} has no SGE module whose masks could be read, nor CBAM or BAM (SE and GC make no "
            "maps that are multiplied by). Give it some with sge.insert_sge."
        )
    return blocks


def inactive_groups(module: SpatialModule) -> int:
    """Groups whose weight is 0; the maps of CBAM and BAM have no weight and always act."""
    return int((module.weight == 0).sum()) if isinstance(module, SpatialGroupEnhance) else 0


def _shortened(paths: list[str]) -> dict[str, str]:
    """Short name to path; where one block carries several, each keeps its whole path."""
    short = {path: _block_of(path) for path in paths}
    taken = list(short.values())
    return {path if taken.count(short[path]) > 1 else short[path]: path for path in paths}


def _block_of(path: str) -> str:
    trimmed = path.split(".")[:-1]
    while len(trimmed) > 1 and trimmed[0] in _AROUND:
        trimmed.pop(0)
    while len(trimmed) > 1 and trimmed[-1] in _WRAPPERS:
        trimmed.pop()
    return ".".join(trimmed) or path or "sge"
