"""What a detector is fitted on: groups and single channels of one image at several input sizes, in torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from sge.arrays import Array
from sge.errors import FinderError, UnknownBlockError
from sge.images import Frame, Geometry, scaled_frame
from sge.lens.backends.host import to_host
from sge.lens.lens import Lens
from sge.lens.passes import Passes
from sge.nn import Capture, FoldedViews, block_module, sge_blocks, standardize_maps
from sge.parts import MAX_STRIDE, MIN_STRIDE, BlockMaps, Maps, clipped


class PartFeatures:
    """Reads the maps of a network's SGE blocks of stride 16 to 32, and the channels of some of them.

    Args:
        lens: With a network in torch.
        channels: Names of the blocks whose single channels are read; by default ``default_channels``.

    Raises:
        FinderError: no block has such a stride, or a named one is not among them.
        UnsupportedBackendError: an exported file.
    """

    def __init__(self, lens: Lens, channels: Iterable[str] | None = None) -> None:
        self._lens = lens
        # Nobody changes the network during a fit, so that its convolutions may take up their batch norms.
        folded = FoldedViews(lens.network)
        self._passes = Passes(lens.network, torch.device(lens.device), lens.precision, folded=folded)
        strides = self._strides()
        self.blocks = tuple(strides)
        self.channels = default_channels(strides) if channels is None else tuple(channels)
        if unknown := [name for name in self.channels if name not in strides]:
            raise FinderError(
                f"Channels of {', '.join(unknown)} cannot be read; there are {', '.join(strides)}, the blocks with a "
                f"stride of {MIN_STRIDE} to {MAX_STRIDE} pixels."
            )

    def of_frame(self, frame: Frame, sizes: Sequence[int]) -> Iterator[tuple[Maps, Geometry]]:
        """The maps of one image at each size, with the geometry that they cover.

        Args:
            frame: The framed image; the other sizes are made from it.
            sizes: Shorter sides in pixels of the input. A network that takes inputs of one size alone gets the frame itself
                for each of them.
        """
        has_one_size = self._lens.model.preprocess.fixed is not None
        for size in sizes:
            sized = frame if has_one_size else scaled_frame(frame, size)
            yield self._maps(sized.array), sized.geometry

    def _maps(self, array: Array) -> Maps:
        images = self._passes.batch(array[None])
        with self._passes.inference() as view:
            paths = _paths(view, self.channels)
            with Capture(view, self.blocks, inputs=paths.values(), rows=1) as seen:
                self._passes.run(view, images)
            found = {f"similarity {name}": seen.similarity[name][0] for name in self.blocks}
            found |= {f"channels {name}": _standardized(seen.inputs[path]) for name, path in paths.items()}
            arrays = to_host(found)
        return {
            name: BlockMaps(
                clipped(arrays[f"similarity {name}"]),
                clipped(arrays[f"channels {name}"]) if name in paths else None,
            )
            for name in self.blocks
        }

    def _strides(self) -> dict[str, int]:
        """Block name to stride, of the SGE blocks that a detector may read."""
        preprocess = self._lens.model.preprocess
        side = preprocess.whole or preprocess.size
        height, width = preprocess.fixed or (side, side)
        images = self._passes.batch(np.zeros((1, preprocess.channels, height, width), np.float32))
        with self._passes.inference() as view:
            known = sge_blocks(view)
            with Capture(view, tuple(known), only_sizes=known, rows=1) as seen:
                self._passes.run(view, images)
            strides = {name: round(width / shape[3]) for name, shape in seen.sizes.items() if name in known}
        kept = {name: stride for name, stride in strides.items() if MIN_STRIDE <= stride <= MAX_STRIDE}
        if not kept:
            raise FinderError(
                f"{self._lens.model.name} has no SGE block with a stride of {MIN_STRIDE} to {MAX_STRIDE} pixels, which a "
                "detector reads. Insert SGE into later layers: sge.insert_sge(network)."
            )
        return kept


def default_channels(strides: dict[str, int]) -> tuple[str, ...]:
    """The blocks whose channels a detector reads by default: the last two of stride 16 and the first two of stride 32.

    Args:
        strides: Block name to stride, in the order of the network.
    """
    fine = [name for name, stride in strides.items() if stride == MIN_STRIDE]
    coarse = [name for name, stride in strides.items() if stride == MAX_STRIDE]
    return (*fine[-2:], *coarse[:2])


def _paths(view: torch.nn.Module, names: Iterable[str]) -> dict[str, str]:
    """Block name to the path of its module."""
    blocks = sge_blocks(view)
    paths = {module: path for path, module in view.named_modules()}
    try:
        return {name: paths[block_module(blocks[name])] for name in names}
    except KeyError as error:
        raise UnknownBlockError(f"No block {error}; there are: {', '.join(blocks)}.") from None


def _standardized(features: Tensor) -> Tensor:
    """(C, h, w), float32: each channel with mean 0 and unbiased standard deviation 1 over the positions."""
    standardized: Tensor = standardize_maps(features[0].detach().float())
    return standardized
