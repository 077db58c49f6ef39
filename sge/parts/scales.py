"""Peaks of a detector over several input sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter

from sge.arrays import Array
from sge.images import Geometry
from sge.parts.detector import BlockReadout, Detector
from sge.parts.find import UPSAMPLING, clipped, vertex
from sge.parts.resample import resampled

STEP = 16
"""Input pixels of the cell that offsets and distances are stated in, at the size at which a peak was found."""
EPSILON = 1e-5
"""Added to the standard deviation of a channel."""
SUPPRESSION = {"nose": 0.08, "eye": 0.05}
"""Two peaks of one part lie at least this far apart, as a fraction of the shorter side: the stronger one is kept."""
SUPPRESSION_CELLS = {"nose": 2.0, "eye": 1.2}
"""The distance in cells of the stronger peak where that is less: a peak found at a large size is of a small face."""
LEAST_SUPPRESSION = 0.03
"""Least distance of two peaks of one part, as a fraction of the shorter side."""
ONE_POSITION = 0.25
"""Of a nose and an eye that are nearer to each other than this, in cells of the weaker one, the stronger one is kept."""
MAX_CANDIDATES = 24
"""Peaks of a part that are considered in one image, and before that at one size."""


@dataclass(frozen=True)
class PartLogits:
    """Logits of a detector's parts at one input size."""

    logits: Array
    """(P, rows, columns), float32; they cover the geometry's window."""
    geometry: Geometry
    """Of the input of this size."""

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of ``STEP`` input pixels, in pixels of the upright image."""
        left, top, right, bottom = self.geometry.window
        width, height = self.geometry.input
        return (right - left) / width * STEP, (bottom - top) / height * STEP


@dataclass(frozen=True)
class Candidate:
    """A peak of a part's logits over all sizes."""

    x: float
    """Pixels of the upright image."""
    y: float
    logit: float
    cell: tuple[float, float]
    """Width and height of ``STEP`` input pixels at the size of the peak, in pixels of the upright image."""


def block_logits(
    readout: BlockReadout, similarity: Array | None = None, channels: Array | None = None
) -> Array:
    """A block's share of the logits.

    Args:
        readout: Of the block.
        similarity: (G, h, w); needed if groups are read.
        channels: (C, h, w), at the input of the block's SGE module; needed if channels are read.

    Returns:
        (P, h, w), float32.
    """
    total: Array | float = 0.0
    if readout.groups is not None:
        assert similarity is not None
        total = np.tensordot(readout.groups, clipped(similarity), 1)
    if readout.channels is not None:
        assert channels is not None
        total = total + np.tensordot(readout.channels, clipped(standardized(channels)), 1)
    return np.asarray(total, np.float32)


def standardized(channels: Array) -> Array:
    """Each channel with mean 0 and unbiased standard deviation 1 over its positions.

    Args:
        channels: (C, h, w). A channel of a single position has no deviation and becomes 0.

    Returns:
        (C, h, w), float32.
    """
    centered = channels.astype(np.float32) - channels.mean((1, 2), keepdims=True, dtype=np.float32)
    positions = max(channels[0].size - 1, 1)
    std = np.sqrt(np.square(centered).sum((1, 2), keepdims=True) / np.float32(positions))
    return np.asarray(centered / (std + np.float32(EPSILON)), np.float32)


def combined(detector: Detector, maps: Mapping[str, Array]) -> Array:
    """The logits of all parts: the sum of the blocks' maps on the grid of the finest block, plus the bias.

    Args:
        detector: Of the blocks.
        maps: Block name to ``block_logits``, (P, h, w); of all blocks of the detector.

    Returns:
        (P, rows, columns), float32; cells have ``STEP`` input pixels where the finest block has that stride.
    """
    shape = max(maps[one.block].shape[1:] for one in detector.blocks)
    total = np.zeros((len(detector.parts), *shape), np.float32)
    for one in detector.blocks:
        total += resampled(maps[one.block], shape)
    return total + np.array(detector.bias, np.float32)[:, None, None]


def candidates(detector: Detector, sizes: Sequence[PartLogits]) -> dict[str, list[Candidate]]:
    """Peaks of each part over all sizes, highest first, each position once.

    Args:
        detector: Of the logits.
        sizes: Of one image; their order does not matter.

    Returns:
        Part to at most ``MAX_CANDIDATES``.
    """
    found = {}
    for row, part in enumerate(detector.parts):
        peaks = [peak for one in sizes for peak in _peaks(one.logits[row], one)]
        found[part] = _suppressed(peaks, part, min(sizes[0].geometry.image) if sizes else 0)
    return _one_part_a_position(found)


def suppression(part: str, cell: tuple[float, float], shorter: float) -> float:
    """Least distance of another peak of the part from a peak, in pixels of the upright image.

    Args:
        part: ``nose`` or ``eye``.
        cell: Of the stronger peak.
        shorter: The image's shorter side in pixels.
    """
    in_cells = SUPPRESSION_CELLS[part] * min(cell)
    return max(LEAST_SUPPRESSION * shorter, min(SUPPRESSION[part] * shorter, in_cells))


def _peaks(logits: Array, size: PartLogits) -> list[Candidate]:
    """The highest local maxima at one size, located between cells by a parabola; those beyond the image are left out."""
    fine = resampled(logits[None], (UPSAMPLING * logits.shape[0], UPSAMPLING * logits.shape[1]))[0]
    rows, cols = np.nonzero(fine == maximum_filter(fine, 3, mode="nearest"))
    order = np.lexsort((cols, rows, -fine[rows, cols]))
    left, top, right, bottom = size.geometry.window
    across, down = (right - left) / fine.shape[1], (bottom - top) / fine.shape[0]
    width, height = size.geometry.image
    found: list[Candidate] = []
    for row, col in zip(rows[order].tolist(), cols[order].tolist(), strict=True):
        x = left + (col + 0.5 + vertex(fine[row], col)) * across
        y = top + (row + 0.5 + vertex(fine[:, col], row)) * down
        if -across <= x <= width + across and -down <= y <= height + down:
            x, y = min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))
            found.append(Candidate(x, y, float(fine[row, col]), size.cell))
        if len(found) == MAX_CANDIDATES:
            break
    return found


def _suppressed(peaks: Iterable[Candidate], part: str, shorter: float) -> list[Candidate]:
    """The peaks, highest first, without those that are near a higher one."""
    kept: list[Candidate] = []
    for peak in sorted(peaks, key=lambda peak: (-peak.logit, peak.cell, peak.y, peak.x)):
        if all(
            np.hypot(peak.x - other.x, peak.y - other.y) >= suppression(part, other.cell, shorter)
            for other in kept
        ):
            kept.append(peak)
        if len(kept) == MAX_CANDIDATES:
            break
    return kept


def _one_part_a_position(found: dict[str, list[Candidate]]) -> dict[str, list[Candidate]]:
    """The peaks without those at which another part has a higher one."""
    return {
        part: [
            peak
            for peak in peaks
            if not any(
                other.logit > peak.logit and _distance(peak, other) < ONE_POSITION
                for rival, others in found.items()
                if rival != part
                for other in others
            )
        ]
        for part, peaks in found.items()
    }


def _distance(one: Candidate, other: Candidate) -> float:
    """In cells of the first one."""
    return float(np.hypot((other.x - one.x) / one.cell[0], (other.y - one.y) / one.cell[1]))
