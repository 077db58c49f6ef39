"""Computes what part detectors read of a network's blocks, in torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from sge.arrays import Array
from sge.errors import FinderError
from sge.models.exported_model import part_output
from sge.nn import channel_readout, readout
from sge.parts import CLIP, EPSILON, Detector


class PartReader:
    """The maps of several detectors; see ``sge.parts.block_logits``.

    Args:
        detectors: By what they read, as ``Finder.detectors``.
    """

    def __init__(self, detectors: Mapping[str, Detector]) -> None:
        self._detectors = dict(detectors)
        self.blocks = tuple(
            dict.fromkeys(one.block for detector in detectors.values() for one in detector.blocks)
        )
        """Blocks whose similarity or channels are read."""
        self._channels: dict[str, dict[str, Array]] = {}
        for by, detector in detectors.items():
            for one in detector.blocks:
                if one.channels is not None:
                    self._channels.setdefault(one.block, {})[by] = one.channels

    @property
    def similarity(self) -> tuple[str, ...]:
        """Blocks whose similarity is read."""
        read = [one for detector in self._detectors.values() for one in detector.blocks]
        return tuple(dict.fromkeys(one.block for one in read if one.groups is not None))

    @property
    def reads(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """Block name to a function of the features at the input of its SGE module, for ``sge.nn.Capture``."""
        return {block: partial(self._read, block) for block in self._channels}

    def maps(self, similarity: Mapping[str, Tensor], reads: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each block's share of the logits of each detector.

        Args:
            similarity: Block name to (N, G, h, w).
            reads: Block name to what its function of ``reads`` returned.

        Returns:
            Name of the output in an exported file (``part_output``) to (N, P, h, w).
        """
        rows = {
            block: dict(zip(by, _split(reads[block], by), strict=True))
            for block, by in self._channels.items()
        }
        found: dict[str, Tensor] = {}
        for by, detector in self._detectors.items():
            for one in detector.blocks:
                parts = [] if one.channels is None else [rows[one.block][by]]
                if one.groups is not None:
                    maps = similarity[one.block]
                    parts.append(readout(maps, _tensor(one.groups, maps), *CLIP))
                found[part_output(by, one.block)] = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        return found

    def _read(self, block: str, features: Tensor) -> Tensor:
        weights = self._channels[block]
        count = next(iter(weights.values())).shape[1]
        if features.dim() != 4 or features.shape[1] != count:
            raise FinderError(
                f"The finder's detector reads {count} channels of {block}, and this model has features of shape "
                f"{tuple(features.shape)} there. Use the finder of this model."
            )
        rows = torch.cat([_tensor(one, features) for one in weights.values()])
        return channel_readout(features, rows, *CLIP, EPSILON)


def _split(rows: Tensor, by: Mapping[str, Array]) -> list[Tensor]:
    """Rows of all detectors that read a block, by detector."""
    return list(torch.split(rows, [len(weights) for weights in by.values()], 1))


def _tensor(weights: Array, like: Tensor) -> Tensor:
    return torch.tensor(weights, device=like.device)
