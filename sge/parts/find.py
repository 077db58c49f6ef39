"""Finds noses and eyes: a mix of groups gives a map, its peaks are the parts. No training of the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import maximum_filter
from torch.nn import functional as F

from sge.analysis.analysis import Analysis
from sge.arrays import Array
from sge.images.geometry import Box
from sge.parts.finder import Finder, GroupWeight, Part, PartMap, Readout

CLIP = (-1.0, 3.0)
"""Similarity is cut here before mixing: one loud group must not decide alone, nor veto."""
FINER = 2
"""A part's map has this many times the rows and columns of the finest block in any of the finder's mixes."""
APART = 0.05
"""Two peaks of one part are at least this far apart, as a fraction of the shorter side; half a part's box."""
REACH = 0.4
"""Eyes belong to a nose within this distance, as a fraction of the shorter side."""
MOST = 12
"""Peaks of a part that are looked at in one image."""


@dataclass(frozen=True)
class Peak:
    """A local maximum of a map."""

    x: float
    """Pixels of the upright original."""
    y: float
    logit: float


def clipped(similarity: Array) -> Array:
    """Similarity as it is mixed, same shape."""
    return similarity.clip(*CLIP)


def mixed(maps: Mapping[str, Array], terms: Iterable[GroupWeight], shape: tuple[int, int]) -> Array:
    """Sum of ``weight * map``, each block's part brought to one grid by bicubic interpolation.

    Args:
        maps: Block name to clipped similarity, (G, h, w).
        shares: Which groups, and how much of each.
        shape: Rows and columns of the result.

    Returns:
        (rows, columns), float32.
    """
    total = np.zeros(shape, np.float32)
    by_block: dict[str, list[GroupWeight]] = {}
    for share in terms:
        by_block.setdefault(share.block, []).append(share)
    for block, of_block in by_block.items():
        weights = np.array([share.weight for share in of_block], np.float32)
        own = np.tensordot(weights, maps[block][[share.group for share in of_block]], 1)
        total += resampled(own[None], shape)[0]
    return total


def resampled(maps: Array, shape: tuple[int, int]) -> Array:
    """(G, h, w) brought to (G, *shape), bicubic, edges on edges."""
    grown = F.interpolate(torch.from_numpy(maps)[None].float(), shape, mode="bicubic", align_corners=False)
    values: Array = grown[0].numpy()
    return values


def grid_of(analysis: Analysis, blocks: Iterable[str], finer: int = FINER) -> tuple[int, int]:
    """Rows and columns of a map that is ``finer`` times as fine as the finest of the blocks."""
    height, width = max(analysis.similarity[block].shape[1:] for block in blocks)
    return finer * height, finer * width


def part_logits(analysis: Analysis, finder: Finder) -> dict[str, Array]:
    """Part to ``scale * mix - bias``, (h, w), float32.

    Raises:
        FinderError: the analysis lacks a group that the finder needs.
    """
    finder.check({name: len(maps) for name, maps in analysis.similarity.items()})
    blocks = {share.block for mix in finder.readouts.values() for share in mix.terms}
    shape = grid_of(analysis, blocks)
    maps = {block: clipped(analysis.similarity[block]) for block in blocks}
    return {
        part: mix.scale * mixed(maps, mix.terms, shape) - np.float32(mix.bias)
        for part, mix in finder.readouts.items()
    }


def part_maps(analysis: Analysis, finder: Finder) -> dict[str, PartMap]:
    """Where each part may be, by kind.

    Raises:
        FinderError: the analysis lacks a group that the finder needs.
    """
    return _maps(part_logits(analysis, finder), finder)


def find_parts(analysis: Analysis, finder: Finder) -> list[Part]:
    """Noses and eyes in an image, several of a kind if there are; an empty list if there are none.

    Left and right are as seen in the image. Of a face's eyes at most two are kept; one alone is named by the
    side of the nose on which it lies.

    Args:
        analysis: Of the model that the finder was fitted on.
        finder: From ``fit_parts``, a file, or ``model.finder``.

    Returns:
        The best nose with its eyes first; positions and boxes in pixels of the upright original.

    Raises:
        FinderError: the analysis lacks a group that the finder needs.
    """
    return _found(analysis, part_logits(analysis, finder), finder)


def maps_and_parts(analysis: Analysis, finder: Finder) -> tuple[dict[str, PartMap], list[Part]]:
    """``part_maps`` and ``find_parts`` from groups that are mixed once.

    Raises:
        FinderError: the analysis lacks a group that the finder needs.
    """
    logits = part_logits(analysis, finder)
    return _maps(logits, finder), _found(analysis, logits, finder)


def _maps(logits: Mapping[str, Array], finder: Finder) -> dict[str, PartMap]:
    return {
        part: PartMap(_sigmoid(values), finder.readouts[part].threshold, list(finder.readouts[part].terms))
        for part, values in logits.items()
    }


def _found(analysis: Analysis, logits: Mapping[str, Array], finder: Finder) -> list[Part]:
    found = {
        part: [one for one in peaks(analysis, logits[part]) if _passes(one, finder.readouts[part])]
        for part in logits
    }
    reach, half = (fraction * min(analysis.geometry.image) for fraction in (REACH, APART))
    named: list[tuple[str, Peak]] = []
    eyes = found.get("eye", [])
    for nose in found.get("nose", []):
        near = [eye for eye in eyes if np.hypot(eye.x - nose.x, eye.y - nose.y) <= reach][:2]
        # A second nose must not take eyes that a better one has.
        eyes = [eye for eye in eyes if eye not in near]
        named += [("nose", nose), *_eyes(near, nose.x)]
    while eyes:
        near = [eye for eye in eyes if np.hypot(eye.x - eyes[0].x, eye.y - eyes[0].y) <= reach][:2]
        eyes = [eye for eye in eyes if eye not in near]
        named += _eyes(near, analysis.geometry.image[0] / 2)
    return [Part(name, p.x, p.y, float(_sigmoid(p.logit)), _box(p, half, analysis)) for name, p in named]


def peaks(analysis: Analysis, logits: Array) -> list[Peak]:
    """Local maxima of a map over the geometry's window, highest first, placed between cells by a parabola."""
    rows, cols = logits.shape
    window, shorter = analysis.geometry.window, min(analysis.geometry.image)
    cell_width, cell_height = (window.right - window.left) / cols, (window.bottom - window.top) / rows
    reach = (max(1, round(APART * shorter / cell_height)), max(1, round(APART * shorter / cell_width)))
    highest = logits == maximum_filter(logits, [2 * cells + 1 for cells in reach], mode="nearest")
    places: list[tuple[int, int]] = []
    for row, col in sorted(np.argwhere(highest).tolist(), key=lambda place: -logits[tuple(place)]):
        # Of neighbours that are equally high, all would be the highest.
        if all(abs(row - r) > reach[0] or abs(col - c) > reach[1] for r, c in places):
            places.append((row, col))
        if len(places) == MOST:
            break
    width, height = analysis.geometry.image
    return [
        Peak(
            float(np.clip(window.left + (col + 0.5 + _vertex(logits[row], col)) * cell_width, 0, width)),
            float(np.clip(window.top + (row + 0.5 + _vertex(logits[:, col], row)) * cell_height, 0, height)),
            float(logits[row, col]),
        )
        for row, col in places
    ]


def _vertex(line: Array, at: int) -> float:
    """How far from cell ``at`` the parabola through it and its neighbours peaks, -0.5 to 0.5."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, here, after = (float(value) for value in line[at - 1 : at + 2])
    bend = before - 2 * here + after
    return (before - after) / (2 * bend) if bend < 0 else 0.0


def _passes(peak: Peak, mix: Readout) -> bool:
    return bool(_sigmoid(peak.logit) >= mix.threshold)


def _eyes(eyes: list[Peak], middle: float) -> list[tuple[str, Peak]]:
    if len(eyes) == 2:
        return list(zip(("left_eye", "right_eye"), sorted(eyes, key=lambda eye: eye.x), strict=True))
    return [("left_eye" if eye.x < middle else "right_eye", eye) for eye in eyes]


def _box(peak: Peak, half: float, analysis: Analysis) -> Box:
    width, height = analysis.geometry.image
    return Box(
        max(0.0, peak.x - half),
        max(0.0, peak.y - half),
        min(float(width), peak.x + half),
        min(float(height), peak.y + half),
    )


def _sigmoid(logits: Array | float) -> Array:
    values: Array = (1 / (1 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32)
    return values
