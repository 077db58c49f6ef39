"""What one forward pass has computed of one image, as plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from sge.analysis.box import Box
from sge.analysis.effect import Ablation, Attribution
from sge.analysis.fit import Fit
from sge.analysis.prediction import Prediction
from sge.arrays import Array
from sge.errors import AnalysisFileError, UnknownBlockError, UnknownGroupError, check_choice
from sge.images import Geometry
from sge.parts import Part, PartMap

SIGNALS = ("mask", "similarity")


@dataclass(frozen=True)
class BlockInfo:
    """One block with spatial maps."""

    name: str
    groups: int
    height: int
    """Rows of its masks."""
    width: int
    """Columns of its masks."""
    stride: int
    """Input pixels a cell, along the width."""
    channels: int
    """0 where it is not known, as in a file that somebody else made."""
    inactive: int
    """Number of its groups whose weight is 0: all of them in a network into which SGE was only inserted."""
    signals: tuple[str, ...] = SIGNALS
    """The maps that the model gives of it: ``mask`` and ``similarity``, or ``mask`` alone."""


@dataclass(frozen=True)
class ImageInfo:
    """Facts that identify the image, without its content."""

    name: str | None
    width: int
    height: int
    format: str
    sha256: str
    notes: tuple[str, ...] = ()
    """What the decoder warned about or assumed, as full sentences."""


@dataclass(frozen=True)
class ModelInfo:
    """Facts that identify the model."""

    name: str
    title: str
    sentence: str
    gates: str
    sha256: str | None
    opens_with: dict[str, Any] | None = None
    """The group that a viewer shows first: ``block``, ``group``, and ``reason`` in words."""
    no_parts: str | None = None
    """The part finder's sentence for an image in which it finds nothing; None without a finder."""
    notes: tuple[str, ...] = ()
    """What was taken out of a checkpoint and what was assumed, as full sentences."""
    part_finders: tuple[str, ...] = ()
    """The values of ``Wanted.parts_by`` for which the model has a detector: ``mix``, ``groups``."""


@dataclass(frozen=True, eq=False)
class AnalysisData:
    """Predictions, masks, similarity and parts of one image."""

    image_info: ImageInfo
    model: ModelInfo
    predictions: list[Prediction]
    """Best first; empty for a network without logits and for a model without labels."""
    blocks: list[BlockInfo]
    masks: dict[str, Array]
    """Block name to (G, h, w), float32, 0 to 1. Only the blocks that were asked for; likewise similarity and energy."""
    similarity: dict[str, Array]
    """Block name to (G, h, w), float32, mean 0 and standard deviation 1 in each map."""
    energy: dict[str, Array]
    """Block name to (G,): each group's share of the block's squared output, summing to 1."""
    geometry: Geometry
    parts: list[Part] = field(default_factory=list)
    """By face, the best one first, a nose before its eyes; empty where none was found, or the model has no finder."""
    part_maps: dict[str, PartMap] = field(default_factory=dict)
    """``nose`` and ``eye``; empty where the model has no finder."""
    image: Image.Image | None = None
    """The upright image; None in an analysis opened from a file without it."""
    fit: Fit | None = None
    """Whether any class fits the image; None if the model has no measured threshold for its framing."""
    attribution: Attribution | None = None
    """Effect of every group on one class, if it was asked for."""
    ablation: Ablation | None = None
    """Scores with some groups ablated, if it was asked for."""
    boxes: list[Box] = field(default_factory=list)
    """What a detector finds, best first; empty for other networks."""
    is_detector: bool = False
    """Whether the network gives boxes; without boxes, it found nothing."""

    @property
    def signal(self) -> str:
        """What a viewer shows first: ``mask`` if any gate is active, else ``similarity``."""
        return opening_signal(self.blocks)

    @property
    def default_block(self) -> str:
        """The block that the model's card opens with; else the last of stride 16, where parts show best."""
        return opening_block(self.model.opens_with, {block.name: block.stride for block in self.blocks})

    def maps(self, block: str, signal: str | None = None) -> Array:
        """Mask or similarity of a block.

        Args:
            block: A block's name.
            signal: ``mask`` or ``similarity``; ``self.signal`` by default.

        Returns:
            (G, h, w), float32.

        Raises:
            UnknownBlockError: no such block, and the message lists them; or one whose maps were not asked for.
            ChoiceError: no such signal.
        """
        signal = check_choice("signal", signal or self.signal, SIGNALS)
        arrays = self.masks if signal == "mask" else self.similarity
        if block in arrays:
            return arrays[block]
        if any(info.name == block and signal not in info.signals for info in self.blocks):
            raise UnknownBlockError(f"{self.model.name} gives no {signal} of {block}. Ask for its mask.")
        if any(info.name == block for info in self.blocks):
            raise UnknownBlockError(
                f"This analysis holds no {signal} of {block}, because only other maps were asked for. Analyze the image "
                "again with this block."
            )
        raise UnknownBlockError(f"No block {block!r}; there are: {', '.join(arrays)}.")

    def group_map(self, block: str, group: int, signal: str | None = None) -> Array:
        """One group's map, (h, w), float32.

        Raises:
            UnknownBlockError, ChoiceError: as ``maps``.
            UnknownGroupError: the block has no group of that number.
        """
        maps = self.maps(block, signal)
        if not 0 <= group < len(maps):
            raise UnknownGroupError(f"{block} has groups 0 to {len(maps) - 1}; there is no group {group}.")
        group_map: Array = maps[group]
        return group_map

    def focus(self, block: str) -> Array:
        """How concentrated each group's response is: near 1 for a single cell, 0 without a pattern.

        One minus the participation ratio of the positive similarity, that is (sum s)^2 / (n * sum s^2). Where a model gives
        no similarity, the same of what a mask has above its mean.

        Returns:
            (G,), float32.

        Raises:
            UnknownBlockError: no such block.
        """
        if any(info.name == block and "similarity" not in info.signals for info in self.blocks):
            masks = self.maps(block, "mask")
            maps = masks - masks.mean((1, 2), keepdims=True)
        else:
            maps = self.maps(block, "similarity")
        positive = np.maximum(maps, 0).reshape(len(maps), -1)
        squares = np.einsum("gc,gc->g", positive, positive)
        total = positive.sum(1)
        ratio = np.divide(total**2, squares * positive.shape[1], out=np.ones_like(total), where=squares > 0)
        return np.asarray(1 - ratio, np.float32)

    def require_image(self) -> Image.Image:
        """The upright image.

        Raises:
            AnalysisFileError: this analysis was opened from a file, which holds no image.
        """
        if self.image is None:
            raise AnalysisFileError(
                "A saved analysis holds no image. Open it with Analysis.open(path, image=...) to draw on it."
            )
        return self.image


def opening_signal(blocks: Sequence[BlockInfo]) -> str:
    """The signal that a viewer shows first: ``mask`` if any gate is active, else ``similarity``."""
    return "similarity" if all(block.inactive == block.groups for block in blocks) else "mask"


def can_focus(analysis: AnalysisData) -> list[str]:
    """Names of the blocks whose ``focus`` follows from the maps that are there."""
    return [
        block.name
        for block in analysis.blocks
        if block.name in (analysis.similarity if "similarity" in block.signals else analysis.masks)
    ]


def opening_block(opens_with: Mapping[str, Any] | None, strides: Mapping[str, int]) -> str:
    """The block that a viewer shows first.

    Args:
        opens_with: Of a card; None if it names no group.
        strides: Block name to its stride, in the order of the network; one or more.

    Returns:
        The card's block if the network has it, else the last of stride 16, where parts show best, else the last of the
        stride in the middle.
    """
    if opens_with and opens_with["block"] in strides:
        return str(opens_with["block"])
    listed = list(strides.values())
    chosen = 16 if 16 in listed else listed[len(listed) // 2]
    return [name for name, stride in strides.items() if stride == chosen][-1]
