"""What one forward pass has shown of one image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from sge.arrays import Array
from sge.errors import AnalysisFileError, UnknownBlockError, UnknownGroupError, check_choice
from sge.images.geometry import Geometry
from sge.parts.finder import Part, PartMap

if TYPE_CHECKING:
    from sge.images.decode import Source

SIGNALS = ("mask", "similarity")


@dataclass(frozen=True)
class Prediction:
    """One class, as the network sees it."""

    label: str
    score: float
    """Softmax probability, 0 to 1."""
    index: int


@dataclass(frozen=True)
class BlockInfo:
    """One block that carries SGE."""

    name: str
    groups: int
    height: int
    """Rows of its masks."""
    width: int
    """Columns of its masks."""
    stride: int
    """Input pixels a cell, along the width."""
    channels: int
    inactive: int
    """How many of its groups have weight 0: all of them in a network whose gates were only inserted."""


@dataclass(frozen=True)
class ImageInfo:
    """Which image it was; never its content."""

    name: str | None
    width: int
    height: int
    format: str
    sha256: str


@dataclass(frozen=True)
class ModelInfo:
    """Which model it was."""

    name: str
    title: str
    sentence: str
    gates: str
    sha256: str | None
    opens_with: dict[str, Any] | None = None
    """The group that a viewer shows first: ``block``, ``group``, and ``reason`` in words."""


@dataclass
class Analysis:
    """Predictions, masks, similarity and parts of one image."""

    image_info: ImageInfo
    model: ModelInfo
    predictions: list[Prediction]
    blocks: list[BlockInfo]
    masks: dict[str, Array]
    """Block name to (G, h, w), float32, 0 to 1."""
    similarity: dict[str, Array]
    """Block name to (G, h, w), float32, mean 0 and deviation 1 in each map."""
    energy: dict[str, Array]
    """Block name to (G,): each group's share of the block's squared output, summing to 1."""
    geometry: Geometry
    parts: list[Part] = field(default_factory=list)
    """Best nose first, each with its eyes behind it; empty where none was found, or the model has no finder."""
    part_maps: dict[str, PartMap] = field(default_factory=dict)
    """``nose`` and ``eye``; empty where the model has no finder."""
    image: Image.Image | None = None
    """The upright image; None in an analysis opened from a file, until an image is given."""

    @property
    def signal(self) -> str:
        """What to look at first: ``mask`` if any gate acts, else ``similarity``."""
        return "similarity" if all(block.inactive == block.groups for block in self.blocks) else "mask"

    def maps(self, block: str, signal: str | None = None) -> Array:
        """Mask or similarity of a block.

        Args:
            block: A block's name.
            signal: ``mask`` or ``similarity``; by default what ``self.signal`` says.

        Returns:
            (G, h, w), float32.

        Raises:
            UnknownBlockError: no such block; the message lists them.
            ChoiceError: no such signal.
        """
        signal = check_choice("signal", signal or self.signal, SIGNALS)
        arrays = self.masks if signal == "mask" else self.similarity
        if block not in arrays:
            raise UnknownBlockError(f"No block {block!r}; there are: {', '.join(arrays)}.")
        return arrays[block]

    def group_map(self, block: str, group: int, signal: str | None = None) -> Array:
        """One group's map, (h, w).

        Raises:
            UnknownGroupError: the block has no group of that number.
        """
        maps = self.maps(block, signal)
        if not 0 <= group < len(maps):
            raise UnknownGroupError(f"{block} has groups 0 to {len(maps) - 1}; there is no group {group}.")
        one: Array = maps[group]
        return one

    def focus(self, block: str) -> Array:
        """How small a part of the image each group answers to, (G,): near 1 a single cell, 0 no pattern.

        One minus the share of cells that carry the positive similarity (its participation ratio).
        """
        maps = self.maps(block, "similarity")
        positive = maps.clip(min=0).reshape(len(maps), -1)
        squares = (positive**2).sum(1)
        total = positive.sum(1)
        share = np.divide(total**2, squares * positive.shape[1], out=np.ones_like(total), where=squares > 0)
        return np.asarray(1 - share, np.float32)

    @property
    def default_block(self) -> str:
        """The block that the model's card opens with; else the last of stride 16, where parts show best."""
        opening = self.model.opens_with
        if opening and opening["block"] in self.masks:
            return str(opening["block"])
        strides = [block.stride for block in self.blocks]
        wanted = 16 if 16 in strides else strides[len(strides) // 2]
        return [block.name for block in self.blocks if block.stride == wanted][-1]

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

    def overlay(self, block: str, group: int | Sequence[int], **options: Any) -> Image.Image:
        """The image with one group's map over it, or several, each in its own colour.

        Options are those of ``sge.render.overlay``.

        Returns:
            RGB image of the original's size.
        """
        from sge.analysis.overlay import overlay

        return overlay(self, block, group, **options)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the analysis: ``.safetensors`` and ``.npz`` exactly, ``.json`` with 8-bit maps,
        ``.html`` as a report that needs no network, ``.png`` as an image of image and groups.

        Raises:
            AnalysisFileError: another ending.
        """
        from sge.analysis.files import save

        save(self, path)

    @classmethod
    def open(cls, path: str | os.PathLike[str], image: Source | None = None) -> Analysis:
        """Reads what ``save`` wrote as ``.safetensors``, ``.npz`` or ``.json``.

        Args:
            path: The file.
            image: The image itself, which the file does not hold; checked against the file's hash.

        Raises:
            AnalysisFileError: not such a file, or another image.
        """
        from sge.analysis.files import open_analysis

        return open_analysis(path, image)
