"""What a lens needs of that which runs its network: arrays of NumPy in, arrays of NumPy out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sge.analysis import BlockInfo, GradCam, GroupSteps
from sge.arrays import Array
from sge.lens.rows import Rows
from sge.parts import Detector

EXPORTED = ("onnxruntime", "openvino")
"""Backends that run exported files, the usual one first."""
BACKENDS = ("torch", *EXPORTED)


@dataclass(frozen=True)
class Maps:
    """Names of the blocks of which each signal is computed, in the order of the network."""

    masks: tuple[str, ...] = ()
    similarity: tuple[str, ...] = ()
    energy: tuple[str, ...] = ()
    detector: Detector | None = None
    """Of parts, whose maps are computed."""


@dataclass(frozen=True)
class PartMaps:
    """What a part detector reads of one forward pass of N images."""

    maps: dict[str, Array]
    """Block name to the block's share of the logits, (N, P, h, w), float32; see ``sge.parts.block_logits``."""
    extent: tuple[float, float] = (1.0, 1.0)
    """As in ``Forward``."""


@dataclass(frozen=True)
class Outputs:
    """What N images give without any map."""

    logits: Array | None
    """(N, classes), float32, before any temperature; None for a network without logits."""
    boxes: list[Array] | None = None
    """For each image (K, 6), float32: left, top, right and bottom in input pixels, score, class, the best first. None
    without a detector."""
    notes: tuple[str, ...] = ()
    """What the network's output is not read as, in full sentences."""


@dataclass(frozen=True)
class Forward:
    """Results of one forward pass of N images."""

    logits: Array | None
    """(N, classes), float32, before any temperature; None for a network without logits."""
    blocks: list[BlockInfo]
    """Every block, whatever was wanted."""
    masks: dict[str, Array]
    """Block name to (N, G, h, w), float32; similarity likewise."""
    similarity: dict[str, Array]
    energy: dict[str, Array]
    """Block name to (N, G), float32."""
    boxes: list[Array] | None = None
    """As in ``Outputs``."""
    notes: tuple[str, ...] = ()
    extent: tuple[float, float] = (1.0, 1.0)
    """Width and height of what the maps cover, as fractions of the input: above 1 where the network pads it."""
    part_maps: dict[str, Array] = field(default_factory=dict)
    """As in ``PartMaps``; empty without a detector in ``Maps``."""


@dataclass(frozen=True)
class Gradients:
    """First-order effects of one image."""

    logits: Array
    """(classes,), float32."""
    target: int
    effect: dict[str, Array]
    """Block name to (G,), float32: gradient x mask, summed over the calls of the block."""
    spatial: dict[str, Array]
    """Block name to (G,), float32: gradient x (mask - its mean over space)."""


class Backend(Protocol):
    """Runs one network; several threads may use it at the same time.

    Every array that a method returns is finite. Errors are those of ``Lens``.
    """

    name: str
    """One of ``BACKENDS``."""
    found: dict[object, object]
    """What was found out about the network by trying, such as how many rows an ablation can begin with."""

    @property
    def device(self) -> Any:
        """Where the network computes; ``str`` of it is the device's name."""

    @property
    def precision(self) -> str:
        """A key of ``sge.devices.PRECISIONS``."""

    @property
    def has_gradients(self) -> bool:
        """Whether ``first_order``, ``grad_cam`` and ``steps`` can be asked for."""

    @property
    def memory_bytes(self) -> int:
        """Size of the parameters and buffers."""

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of all blocks with spatial maps, in the order of the network."""

    @property
    def groups(self) -> dict[str, int]:
        """Name of each SGE block to its number of groups; empty for a network without SGE."""

    @property
    def stated_blocks(self) -> list[BlockInfo] | None:
        """All blocks, with the sizes of their maps for a square image; None where only a pass tells them."""

    @property
    def network_name(self) -> str:
        """The network in messages."""

    def logits(self, batch: Array) -> Array:
        """(N, classes), float32, of a batch (N, channels, h, w); UnsupportedNetworkError for a network without logits."""

    def outputs(self, batch: Array) -> Outputs:
        """Logits or boxes of a batch (N, channels, h, w), or neither."""

    def forward(self, batch: Array, maps: Maps) -> Forward:
        """Logits and maps of a batch (N, channels, h, w)."""

    def reads(self, detector: Detector) -> bool:
        """Whether all that a detector reads can be computed. Exported files without its outputs give no channels.

        Raises:
            FinderError: the detector is of another network.
        """

    def part_maps(self, batch: Array, detector: Detector) -> PartMaps:
        """What a detector reads of a batch (N, channels, h, w); logits and other maps are not read."""

    def ablated(self, image: Array, rows: Rows, shared: bool) -> Array:
        """Logits of one image with each of K ablations, in one pass.

        Args:
            image: (1, channels, h, w).
            rows: The ablations.
            shared: The image enters as one row, which the first ablated block makes K; otherwise as K rows.

        Returns:
            (K, classes), float32; they may be not finite.
        """

    def first_order(self, image: Array, target: int | None, blocks: Sequence[str]) -> Gradients:
        """First-order effects of the groups of some blocks on the logit of a class, None for the predicted one."""

    def grad_cam(self, image: Array, target: int, layer: str | None) -> GradCam:
        """Grad-CAM of a class; ``layer`` None stands for the last one with a map."""

    def steps(self, image: Array, block: str, group: int) -> GroupSteps:
        """The arrays by which one group's mask is made; block and group exist."""

    def check_finite(self, results: Mapping[str, Array]) -> None:
        """Raises NonFiniteError if a number of the results, which are named in words, is not finite."""
