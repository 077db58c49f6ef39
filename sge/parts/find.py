"""Finds noses and eyes: readouts of group maps give a map per part, whose peaks are the parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import maximum_filter
from scipy.special import expit, logit

from sge.arrays import Array
from sge.errors import FinderError
from sge.images import Box, Geometry
from sge.parts.finder import Finder, GroupWeight, Part, PartMap, Readout
from sge.parts.resample import resampled

Similarity = Mapping[str, Array]
"""Block name to similarity maps, (G, h, w), float32."""

CLIP = (-1.0, 3.0)
"""Similarity is clipped to this range before the readout, so that no single group decides or vetoes alone."""
UPSAMPLING = 2
"""A part's map has this many times the rows and columns of the finest block in the finder's readouts."""
MIN_PEAK_DISTANCE = 0.05
"""Smallest distance of two peaks of one part, as a fraction of the shorter side; also half the side of a part's box."""
MAX_EYE_DISTANCE = 0.4
"""Eyes belong to a nose within this distance, as a fraction of the shorter side."""
MAX_PEAKS = 12
"""Peaks of a part that are considered in one image."""


@dataclass(frozen=True)
class Peak:
    """A local maximum of a map."""

    x: float
    """Pixels of the upright original."""
    y: float
    logit: float


def clipped(similarity: Array) -> Array:
    """Similarity clipped to ``CLIP``, same shape."""
    return similarity.clip(*CLIP)


def weighted_sum(maps: Similarity, terms: Iterable[GroupWeight], shape: tuple[int, int]) -> Array:
    """Sum of ``weight * clipped map`` over groups of several blocks, on one grid by bicubic interpolation.

    Args:
        maps: Block name to similarity, (G, h, w); the maps of the terms are clipped, which may be so already.
        terms: The groups and their weights.
        shape: Rows and columns of the result.

    Returns:
        (rows, columns), float32.
    """
    by_block: dict[str, list[GroupWeight]] = {}
    for term in terms:
        by_block.setdefault(term.block, []).append(term)
    total = np.zeros(shape, np.float32)
    for block, block_terms in by_block.items():
        weights = np.array([term.weight for term in block_terms], np.float32)
        # The sum is linear, so that one resampling per block is enough.
        chosen = clipped(maps[block][[term.group for term in block_terms]])
        block_sum = np.tensordot(weights, chosen, 1)
        total += resampled(block_sum[None], shape)[0]
    return total


def grid_shape(
    similarity: Similarity, blocks: Iterable[str], upsampling: int = UPSAMPLING
) -> tuple[int, int]:
    """Rows and columns of a map ``upsampling`` times as fine as the finest of the blocks."""
    height, width = max(similarity[block].shape[1:] for block in blocks)
    return upsampling * height, upsampling * width


def readout_logits(maps: Similarity, readout: Readout, shape: tuple[int, int]) -> Array:
    """``scale * weighted sum - bias``.

    Args:
        maps: Block name to similarity, (G, h, w).
        readout: The readout of one part.
        shape: Rows and columns of the result.

    Returns:
        (rows, columns), float32.
    """
    return readout.scale * weighted_sum(maps, readout.terms, shape) - np.float32(readout.bias)


def part_logits(similarity: Similarity, finder: Finder) -> dict[str, Array]:
    """Logits of every part's readout.

    Returns:
        Part to (h, w), float32.

    Raises:
        FinderError: a group that the finder needs does not exist.
    """
    # Detectors are not used here, and may read blocks that were not asked for.
    replace(finder, detectors={}).check({name: len(maps) for name, maps in similarity.items()})
    blocks = {term.block for readout in finder.readouts.values() for term in readout.terms}
    shape = grid_shape(similarity, blocks)
    return {part: readout_logits(similarity, readout, shape) for part, readout in finder.readouts.items()}


def maps_and_parts(
    similarity: Similarity, geometry: Geometry, finder: Finder
) -> tuple[dict[str, PartMap], list[Part]]:
    """Maps and positions of noses and eyes, several of a kind if there are.

    Left and right are as seen in the image. A face keeps at most two eyes; a single one is named by the side of
    the nose on which it lies.

    Args:
        similarity: Of the model that the finder was fitted on, by block.
        geometry: Gives the window that the maps cover.
        finder: The readouts.

    Returns:
        The map of each part (``nose``, ``eye``), and the parts, the best nose with its eyes first. Positions and
        boxes are in pixels of the upright original. The list is empty where no peak reaches a threshold.

    Raises:
        FinderError: a group that the finder needs does not exist, or the finder has no readouts.
    """
    if not finder.readouts:
        raise FinderError(
            "This finder has detectors alone, which look at an image in several sizes. Let a lens find the parts: "
            "Lens(model).analyze(image).parts."
        )
    logits = part_logits(similarity, finder)
    maps = {
        part: PartMap(
            np.asarray(expit(values), np.float32),
            finder.readouts[part].threshold,
            list(finder.readouts[part].terms),
        )
        for part, values in logits.items()
    }
    found = {
        part: [peak for peak in peaks(values, geometry) if passes(peak, finder.readouts[part])]
        for part, values in logits.items()
    }
    half = MIN_PEAK_DISTANCE * min(geometry.image)
    parts = [
        Part(
            name,
            peak.x,
            peak.y,
            float(np.float32(expit(peak.logit))),
            part_box(peak.x, peak.y, half, geometry),
            face,
        )
        for face, joined in enumerate(_faces(found.get("nose", []), found.get("eye", []), geometry))
        for name, peak in joined
    ]
    return maps, parts


def peaks(logits: Array, geometry: Geometry) -> list[Peak]:
    """Local maxima of a map, highest first, located between cells by a parabola through three neighbors.

    Args:
        logits: (h, w); it covers the geometry's window.
        geometry: Of the image.

    Returns:
        At most ``MAX_PEAKS``. Maxima in the padding, more than a cell beyond the image, are left out; if there are no
        others, the highest of them is moved to the image's edge, so that there is at least one.
    """
    rows, cols = logits.shape
    window = geometry.window
    cell_width, cell_height = (window.right - window.left) / cols, (window.bottom - window.top) / rows
    distance = MIN_PEAK_DISTANCE * min(geometry.image)
    reach = (max(1, round(distance / cell_height)), max(1, round(distance / cell_width)))
    highest = logits == maximum_filter(logits, [2 * cells + 1 for cells in reach], mode="nearest")
    width, height = geometry.image
    chosen: list[tuple[int, int]] = []
    found: list[Peak] = []
    beyond: list[Peak] = []
    for row, col in sorted(np.argwhere(highest).tolist(), key=lambda cell: -logits[tuple(cell)]):
        # The filter marks all of several equal neighbors; only the first is kept.
        if any(abs(row - r) <= reach[0] and abs(col - c) <= reach[1] for r, c in chosen):
            continue
        chosen.append((row, col))
        x = window.left + (col + 0.5 + vertex(logits[row], col)) * cell_width
        y = window.top + (row + 0.5 + vertex(logits[:, col], row)) * cell_height
        is_near = -cell_width <= x <= width + cell_width and -cell_height <= y <= height + cell_height
        x, y = min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))
        (found if is_near else beyond).append(Peak(x, y, float(logits[row, col])))
        if len(found) == MAX_PEAKS:
            break
    return found or beyond[:1]


def passes(peak: Peak, readout: Readout) -> bool:
    """Whether a peak reaches the readout's threshold."""
    return bool(peak.logit >= logit(readout.threshold))


def vertex(line: Array, at: int) -> float:
    """Offset from cell ``at`` of the vertex of the parabola through it and its neighbors, -0.5 to 0.5."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, here, after = (float(value) for value in line[at - 1 : at + 2])
    curvature = before - 2 * here + after
    return (before - after) / (2 * curvature) if curvature < 0 else 0.0


def _faces(noses: list[Peak], eyes: list[Peak], geometry: Geometry) -> list[list[tuple[str, Peak]]]:
    """Assigns eyes to noses, best nose first, and names them; then the eyes without a nose, in pairs."""
    reach = MAX_EYE_DISTANCE * min(geometry.image)
    faces: list[list[tuple[str, Peak]]] = []
    for nose in noses:
        near = _near(eyes, nose, reach)
        # An eye belongs to one nose only, the better one.
        eyes = [eye for eye in eyes if eye not in near]
        faces.append([("nose", nose), *_named_eyes(near, nose.x)])
    while eyes:
        near = _near(eyes, eyes[0], reach)
        eyes = [eye for eye in eyes if eye not in near]
        faces.append(_named_eyes(near, geometry.image[0] / 2))
    return faces


def _near(eyes: list[Peak], center: Peak, reach: float) -> list[Peak]:
    return [eye for eye in eyes if np.hypot(eye.x - center.x, eye.y - center.y) <= reach][:2]


def _named_eyes(eyes: list[Peak], middle: float) -> list[tuple[str, Peak]]:
    if len(eyes) == 2:
        return list(zip(("left_eye", "right_eye"), sorted(eyes, key=lambda eye: eye.x), strict=True))
    return [("left_eye" if eye.x < middle else "right_eye", eye) for eye in eyes]


def part_box(x: float, y: float, half: float, geometry: Geometry) -> Box:
    """A square of the side ``2 * half`` around a part, cut at the edges of the image."""
    width, height = geometry.image
    return Box(
        max(0.0, x - half),
        max(0.0, y - half),
        min(float(width), x + half),
        min(float(height), y + half),
    )
