"""What an exported file gives, checked: boxes and notes, masks of somebody else's file, and maps of part detectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sge.analysis import SIGNALS, BlockInfo
from sge.arrays import Array
from sge.errors import UnsupportedNetworkError
from sge.lens.backends.onnx_objects import read_objects
from sge.lens.backends.onnx_sessions import SIMILARITY
from sge.lens.boxes import best_first
from sge.parts import Detector, block_logits

if TYPE_CHECKING:
    from sge.models import ExportedModel

MAX_KNOWN = 8
"""Detectors whose outputs are remembered."""


def boxes_and_notes(
    exported: ExportedModel, found: Array | None, shape: tuple[int, ...]
) -> tuple[list[Array] | None, tuple[str, ...]]:
    """Boxes of a pass and notes, as ``Outputs`` has them.

    Args:
        exported: The file.
        found: The output that is read as boxes; None if there is none.
        shape: Of the input.
    """
    boxes = None if found is None else read_objects(exported, found, shape)
    if boxes is None and not exported.results:
        return None, (
            "The file gives nothing that is read as classes or boxes, so that there are maps only.",
        )
    if boxes is None:
        given = ", ".join(exported.results[:3])
        return None, (
            f"What the exported file gives beside its maps ({given}) is not read as classes or boxes.",
        )
    if isinstance(boxes, str):
        return None, (boxes,)
    return [best_first(one) for one in boxes], ()


def in_range(exported: ExportedModel, name: str, masks: Array) -> Array:
    """Masks of somebody else's file, which are checked in each pass, between 0 and 1.

    Raises:
        UnsupportedNetworkError: They are no masks.
    """
    from sge.models import RANGE

    low, high = float(masks.min()), float(masks.max())
    if not -RANGE <= low <= high <= 1 + RANGE:
        raise UnsupportedNetworkError(
            f"{exported.name} gives a mask of {name} with values from {low:.3g} to {high:.3g} for this image, and "
            f"a mask has 0 to 1. Import the file again, with a sigmoid: --maps '{name}=sigmoid(OUTPUT)'."
        )
    return masks.clip(0, 1)


def block_infos(exported: ExportedModel, width: int, sizes: Mapping[str, tuple[int, int]]) -> list[BlockInfo]:
    """All blocks of a file.

    Args:
        exported: The file.
        width: Of the input in pixels.
        sizes: Block name to the height and width of its maps.
    """
    return [
        BlockInfo(
            name=block.name,
            groups=block.groups,
            height=sizes[block.name][0],
            width=sizes[block.name][1],
            stride=round(width / sizes[block.name][1]),
            channels=block.channels,
            inactive=block.inactive,
            signals=tuple(one for one in SIGNALS if one in block.outputs),
        )
        for block in exported.blocks
    ]


class PartOutputs:
    """Which outputs of an exported file a part detector is read from.

    Args:
        exported: The file.
    """

    def __init__(self, exported: ExportedModel) -> None:
        self._exported = exported
        self._known: list[tuple[Detector, str | None]] = [(one, by) for by, one in exported.detectors.items()]

    def names(self, detector: Detector | None) -> list[str]:
        """The outputs; nothing without a detector, or where the file gives no channels and the detector reads some."""
        from sge.models import part_output

        if detector is None:
            return []
        by = self._by(detector)
        if by is not None:
            return [part_output(by, one.block) for one in detector.blocks]
        given = {block.name: block.outputs for block in self._exported.blocks}
        blocks = [one.block for one in detector.blocks]
        is_read = any(one.channels is not None for one in detector.blocks) or any(
            "similarity" not in given.get(block, ()) for block in blocks
        )
        return [] if is_read else [SIMILARITY + block for block in blocks]

    def maps(self, detector: Detector | None, found: Mapping[str, Array]) -> dict[str, Array]:
        """The maps of ``PartMaps``, from outputs of these names."""
        if detector is None:
            return {}
        names = zip((one.block for one in detector.blocks), self.names(detector), strict=True)
        maps = {block: found[name] for block, name in names}
        if self._by(detector) is None:
            for one in detector.blocks:
                maps[one.block] = np.stack([block_logits(one, image) for image in maps[one.block]])
        return maps

    def _by(self, detector: Detector) -> str | None:
        """The key under which the file has a detector; None if it has not."""
        for known, by in self._known:
            if known is detector:
                return by
        record = detector.to_record()
        by = next((by for by, one in self._exported.detectors.items() if one.to_record() == record), None)
        self._known = [*self._known[-MAX_KNOWN:], (detector, by)]
        return by
