"""Finds the parts of all faces with a detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import expit

from sge.arrays import Array
from sge.images import Geometry
from sge.parts.detector import Detector
from sge.parts.faces import Face, Found, best_first, join_faces, named, without_overlaps
from sge.parts.find import MIN_PEAK_DISTANCE, UPSAMPLING, part_box
from sge.parts.finder import GroupWeight, Part, PartMap
from sge.parts.pairs import confidences
from sge.parts.resample import resampled
from sge.parts.scales import Candidate, PartLogits, candidates

MAX_TERMS = 12
"""Groups that a part's map names."""


def detect(
    detector: Detector, sizes: Sequence[PartLogits], *, everything: bool = False
) -> tuple[dict[str, PartMap], list[Part]]:
    """Maps of all parts, and the parts of every face in the image.

    Args:
        detector: Of the logits.
        sizes: Of one image, at least one; their order does not matter.
        everything: Also the candidates below ``Detector.shown``, each as the last of the faces, so that a measurement can
            compare images in which nothing is shown.

    Returns:
        The map of each part (``nose``, ``eye``), and the parts with a confidence of at least ``Detector.shown``, by face.
        Positions and boxes are in pixels of the upright original.
    """
    geometry = sizes[0].geometry
    found = candidates(detector, sizes)
    confident = confidences(detector, found)
    every = [
        Found(part, at, float(confidence))
        for part, peaks in found.items()
        for at, confidence in zip(peaks, confident[part], strict=True)
    ]
    shown = [one for one in every if one.confidence >= detector.shown]
    # Without the parts of better faces, confidences are lower, and so the order may be another one.
    faces = best_first(without_overlaps(supported_faces(detector, found, join_faces(detector, shown))))
    if everything:
        faces += [(one,) for one in every if one.confidence < detector.shown]
    parts = [
        _part(name, one, face, detector.sure, geometry)
        for face, joined in enumerate(faces)
        for name, one in named(joined, geometry.image[0] / 2)
    ]
    return part_maps(detector, sizes), parts


def supported_faces(
    detector: Detector, found: Mapping[str, Sequence[Candidate]], faces: Sequence[Face]
) -> list[Face]:
    """Faces without the parts that are shown only because of a partner in a better face.

    A partner belongs to one face. The confidences of each face are therefore computed again without the parts of the faces
    before it, and a part that falls below ``Detector.shown`` is left out.

    Args:
        detector: Of the faces.
        found: All candidates, of which the faces are made.
        faces: From ``join_faces``, the best one first.
    """
    left = {part: list(peaks) for part, peaks in found.items()}
    supported = []
    for face in faces:
        confident = confidences(detector, left)
        kept = tuple(
            replace(one, confidence=float(confidence))
            for one in face
            if (confidence := confident[one.part][left[one.part].index(one.at)]) >= detector.shown
        )
        if kept:
            supported.append(kept)
        for one in face:
            left[one.part].remove(one.at)
    return supported


def part_maps(detector: Detector, sizes: Sequence[PartLogits]) -> dict[str, PartMap]:
    """The confidence by the logit alone, the maximum over the sizes, on the grid on which the largest one is searched.

    Args:
        detector: Of the logits.
        sizes: Of one image, at least one, in windows that are the same.
    """
    rows, cols = max((one.logits.shape[1:] for one in sizes), key=lambda shape: shape[0] * shape[1])
    shape = UPSAMPLING * rows, UPSAMPLING * cols
    highest: Array = np.maximum.reduce([resampled(one.logits, shape) for one in sizes])
    maps = {}
    for row, part in enumerate(detector.parts):
        slope, intercept = detector.calibration[part].alone
        confidence = np.asarray(expit(slope * highest[row] + intercept), np.float32)
        maps[part] = PartMap(confidence, detector.shown, _terms(detector, row), detector.source)
    return maps


def _terms(detector: Detector, row: int) -> list[GroupWeight]:
    """The groups with the largest positive weights, each with its share of all positive ones."""
    weights = [
        GroupWeight(one.block, group, float(weight))
        for one in detector.blocks
        if one.groups is not None
        for group, weight in enumerate(one.groups[row])
        if weight > 0
    ]
    total = sum(term.weight for term in weights)
    weights.sort(key=lambda term: (-term.weight, term.block, term.group))
    return [GroupWeight(term.block, term.group, term.weight / total) for term in weights[:MAX_TERMS]]


def _part(name: str, found: Found, face: int, sure: float, geometry: Geometry) -> Part:
    at, half = found.at, MIN_PEAK_DISTANCE * min(geometry.image)
    box = part_box(at.x, at.y, half, geometry)
    return Part(name, at.x, at.y, found.confidence, box, face, found.confidence >= sure)
