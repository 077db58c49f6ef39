"""An exported model: an ONNX file with labels, preprocessing, card and part finder. Reading one needs no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sge.images import Preprocess, input_size, whole_size
from sge.models.card import Card
from sge.parts import Detector, Finder

KINDS = ("sge", "cbam", "bam", "map")
"""Kinds of blocks with spatial maps; only ``sge`` has groups that can be edited. ``map``: maps in a file that somebody else
made, of which nothing more is known."""
KINDS_OF_OUTPUTS = ("similarity", "mask", "energy")
"""What a file may give of a block, in the order of its outputs; the mask always."""
RANGE = 1e-3
"""Largest distance of a mask from 0 to 1 that is taken for rounding, in files that somebody else made."""
LOGITS = "logits"
"""Name of the output with the logits."""
PART = "part/"
"""Beginning of the names of the outputs from which a detector's parts are found: ``part/mix/BLOCK``."""
RESULT = "output"
"""Name, or beginning of the names, of outputs of networks that are neither logits nor maps."""


def part_output(by: str, block: str) -> str:
    """Name of the output with a block's share of a detector's logits.

    Args:
        by: Key of ``Finder.detectors``.
        block: The block's name.
    """
    return f"{PART}{by}/{block}"


def square_side(preprocess: Preprocess) -> int:
    """Side of the input for a square image with framing ``whole``, in pixels."""
    return whole_size((1, 1), input_size(preprocess, "whole"))[0]


@dataclass(frozen=True)
class ExportedBlock:
    """A block with spatial maps."""

    name: str
    groups: int
    channels: int
    """0 where it is not known."""
    stride: int
    """Input pixels a cell, along the width."""
    inactive: int
    """Number of its groups whose weight is 0."""
    kind: str
    """One of ``KINDS``."""
    cells: tuple[int, int] | None = None
    """Height and width of its maps for a square image (``square_side``); None in a file that does not state them."""
    outputs: tuple[str, ...] = KINDS_OF_OUTPUTS
    """What the file gives of it: some of ``KINDS_OF_OUTPUTS``, in their order."""

    def to_record(self) -> dict[str, Any]:
        """Returns the fields as plain data."""
        return asdict(self)


@dataclass
class ExportedModel:
    """What ``load_model`` gives for an ONNX file of ``export_onnx`` or ``import_weights``; a ``Lens`` runs it."""

    name: str
    labels: list[str] | None
    """One label for each class, in the order of the logits; None for a model without labels."""
    card: Card
    preprocess: Preprocess
    arch: str
    permutations: str
    """Digest of the channel permutations, as ``Model.permutations``."""
    finder: Finder | None
    path: Path
    """The ONNX file."""
    blocks: tuple[ExportedBlock, ...]
    """In the order of the network."""
    classes: int
    """Number of logits; 0 in a file without logits."""
    parameters: int
    """Number of trainable parameters of the network that was exported."""
    multiple: int
    """The sides of its inputs are multiples of this number."""
    check: dict[str, Any]
    """Largest differences to torch that were measured on export: ``logits``, relative to the largest logit; by block those
    of ``similarity``, ``mask`` and ``energy``, absolute, and likewise those of ``part``, by detector and block. Also the
    versions of ``torch`` and ``onnxruntime``."""
    results: tuple[str, ...] = (LOGITS,)
    """Outputs of the network itself: ``logits``, or names that begin with ``output``; see ``named_results``."""
    size: tuple[int, int] | None = None
    """Height and width of its inputs, where the file takes no other; None where it takes any."""
    adapter: str | None = "auto"
    """Name of the adapter of the model that was exported, as ``Model.adapter``; None for a function, which no file holds."""
    rows: int | None = None
    """Number of images of a pass, where the file takes no other; None where it takes any."""
    detectors: dict[str, Detector] = field(default_factory=dict)
    """The detectors whose outputs the file has; those of a finder that is given later may be others."""

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else made the file, so that nothing of its blocks is known but what it gives."""
        return any(block.kind == "map" for block in self.blocks)

    @property
    def groups(self) -> dict[str, int]:
        """SGE block to its number of groups."""
        return {block.name: block.groups for block in self.blocks if block.kind == "sge"}

    @property
    def channels(self) -> dict[str, int]:
        """Every block to the number of channels that its mask multiplies."""
        return {block.name: block.channels for block in self.blocks}

    @property
    def inactive(self) -> bool:
        """Whether the network has gates and every one of them has weight 0, so that all masks are constant."""
        gates = [block for block in self.blocks if block.kind == "sge"]
        return bool(gates) and all(block.inactive == block.groups for block in gates)
