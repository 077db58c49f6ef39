"""What one forward pass has shown of one picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sge.errors import AnalysisFileError, UnknownBlockError, UnknownGroupError, check_choice
from sge.geometry import Box, Geometry

if TYPE_CHECKING:
    from sge.images import Source

Array = npt.NDArray[np.float32]
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
    sleeping: int
    """How many of its groups have weight 0: all of them in a network whose gates were only inserted."""


@dataclass(frozen=True)
class Part:
    """A named place in the picture."""

    name: str
    x: float
    """Pixels of the upright original."""
    y: float
    score: float
    box: Box


@dataclass(frozen=True)
class Share:
    """One group's part in a mix."""

    block: str
    group: int
    weight: float
    """Above 0; the shares of a mix sum to 1."""


@dataclass(frozen=True)
class PartMap:
    """Where a part may be: a mix of groups."""

    map: Array
    """(h, w), float32, 0 to 1; it covers the geometry's window."""
    threshold: float
    """From here on a peak of the map is a part."""
    mix: list[Share]
    """Largest share first."""


@dataclass(frozen=True)
class PictureInfo:
    """Which picture it was; never its content."""

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
    """Predictions, masks, similarity and parts of one picture."""

    picture: PictureInfo
    model: ModelInfo
    predictions: list[Prediction]
    blocks: list[BlockInfo]
    masks: dict[str, Array]
    """Block name to (G, h, w), float32, 0 to 1."""
    similarity: dict[str, Array]
    """Block name to (G, h, w), float32, mean 0 and deviation 1 in each map."""
    contribution: dict[str, Array]
    """Block name to (G,): each group's share of the block's squared output, summing to 1."""
    geometry: Geometry
    parts: list[Part] = field(default_factory=list)
    """Best nose first, each with its eyes behind it; empty where none was found, or the model has no finder."""
    part_maps: dict[str, PartMap] = field(default_factory=dict)
    """``nose`` and ``eye``; empty where the model has no finder."""
    image: Image.Image | None = None
    """The upright picture; None in an analysis opened from a file, until a picture is given."""

    @property
    def signal(self) -> str:
        """What to look at first: ``mask`` if any gate acts, else ``similarity``."""
        return "similarity" if all(block.sleeping == block.groups for block in self.blocks) else "mask"

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
        """How small a part of the picture each group answers to, (G,): near 1 a single cell, 0 no pattern.

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
        """The upright picture.

        Raises:
            AnalysisFileError: this analysis was opened from a file, which holds no picture.
        """
        if self.image is None:
            raise AnalysisFileError(
                "A saved analysis holds no picture. Open it with Analysis.open(path, picture=...) to draw on it."
            )
        return self.image

    def overlay(self, block: str, group: int | Sequence[int], **options: Any) -> Image.Image:
        """The picture with one group's map over it, or several, each in its own colour.

        Options are those of ``sge.render.overlay``.

        Returns:
            RGB image of the original's size.
        """
        from sge.render import overlay

        return overlay(self, block, group, **options)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the analysis: ``.safetensors`` and ``.npz`` exactly, ``.json`` with 8-bit maps,
        ``.html`` as a report that needs no network, ``.png`` as a picture of picture and groups.

        Raises:
            AnalysisFileError: another ending.
        """
        from sge.export import save

        save(self, path)

    @classmethod
    def open(cls, path: str | os.PathLike[str], picture: Source | None = None) -> Analysis:
        """Reads what ``save`` wrote as ``.safetensors``, ``.npz`` or ``.json``.

        Args:
            path: The file.
            picture: The picture itself, which the file does not hold; checked against the file's hash.

        Raises:
            AnalysisFileError: not such a file, or another picture.
        """
        from sge.export import open_analysis

        return open_analysis(path, picture)
