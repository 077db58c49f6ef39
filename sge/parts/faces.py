"""Joins noses and eyes into faces, by the offsets that a detector learned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import logit

from sge.arrays import Float64Array
from sge.parts.detector import Detector
from sge.parts.pairs import offsets, squared_distances
from sge.parts.scales import Candidate

GATE = 18.4
"""Parts of one face lie within this squared Mahalanobis distance of the learned offset, as 99.99 % of a Gaussian do."""
LEAST_CONFIDENCE = 1e-3
"""Confidences are kept this far from 0 and 1 where their logits are added."""
EYES = 2
"""Eyes of a face, at most."""
OVERLAP = 0.5
"""No other face has its middle this near to the middle of a face, as a fraction of the largest distance of its parts."""


@dataclass(frozen=True)
class Found:
    """A candidate that is shown."""

    part: str
    """``nose`` or ``eye``."""
    at: Candidate
    confidence: float


Face = tuple[Found, ...]
"""At most one nose, which comes first, and at most two eyes."""


def join_faces(detector: Detector, found: Sequence[Found]) -> list[Face]:
    """Every part in one face, the faces with the largest sum of confidences first.

    Of all faces that can be made of the parts, the one of the highest value is taken first, then the best one of the parts
    that are left, and so on. The value is the sum of the logits of the confidences, plus half of what is left to ``GATE``
    for each pair, so that parts are joined wherever the learned offsets allow it. A part that is not sure and fits a face
    that has its parts already is left out: it is taken for a second peak on one of them.

    Args:
        detector: Gives the pairs and ``sure``.
        found: Parts that are shown; their order does not matter.
    """
    ordered = sorted(found, key=lambda one: (-one.confidence, one.part, one.at.y, one.at.x))
    fits = _fits(detector, ordered)
    possible = sorted(_possible(ordered, fits), key=lambda face: (-_value(face, ordered, fits), face))
    taken: list[tuple[int, ...]] = []
    used: set[int] = set()
    for face in possible:
        if used.isdisjoint(face):
            taken.append(face)
            used.update(face)
    kept = [face for face in taken if not _is_double(face, taken, ordered, fits, detector.sure)]
    return best_first(tuple(sorted((ordered[at] for at in face), key=_order)) for face in kept)


def best_first(faces: Iterable[Face]) -> list[Face]:
    """Faces with the largest sum of confidences first."""
    return sorted(faces, key=lambda face: (-sum(one.confidence for one in face), face[0].at.y, face[0].at.x))


def without_overlaps(faces: Sequence[Face]) -> list[Face]:
    """Faces without those that lie on another face with more parts, which are taken for second peaks on it.

    The middle of a face is the mean of the positions of its parts; see ``OVERLAP``.

    Args:
        faces: From ``join_faces``, the best one first.
    """
    return [
        face
        for face in faces
        if not any(
            len(other) > len(face) and np.hypot(*(_middle(face) - _middle(other))) < OVERLAP * _extent(other)
            for other in faces
        )
    ]


def named(face: Face, middle: float) -> list[tuple[str, Found]]:
    """The parts of a face with their names: the nose, the left eye, the right eye, as seen in the image.

    Args:
        face: From ``join_faces``.
        middle: x of the image's center, which names a single eye of a face without a nose.
    """
    noses = [one for one in face if one.part == "nose"]
    eyes = sorted((one for one in face if one.part == "eye"), key=lambda one: one.at.x)
    if len(eyes) == EYES:
        names = ["left_eye", "right_eye"]
    else:
        middle = noses[0].at.x if noses else middle
        names = ["left_eye" if eye.at.x < middle else "right_eye" for eye in eyes]
    return [*(("nose", nose) for nose in noses), *zip(names, eyes, strict=True)]


Fits = Mapping[tuple[int, int], float]
"""Numbers of two parts, the lower one first, to what is left to ``GATE``; only of parts that fit into one face."""


def _fits(detector: Detector, found: Sequence[Found]) -> dict[tuple[int, int], float]:
    directed = _distances(detector, found)
    fits = {}
    for one, other in combinations(range(len(found)), 2):
        distances = [directed[way] for way in ((one, other), (other, one)) if way in directed]
        # The sizes at which two peaks were found may differ, and with them the cells of the two offsets.
        if distances and (left := GATE - sum(distances) / len(distances)) > 0:
            fits[one, other] = left
    return fits


def _distances(detector: Detector, found: Sequence[Found]) -> dict[tuple[int, int], float]:
    """Numbers of a first and of a second part to the squared distance of their offset, where the pair is learned."""
    numbers = {part: [at for at, one in enumerate(found) if one.part == part] for part in detector.parts}
    distances: dict[tuple[int, int], float] = {}
    for first, one in enumerate(found):
        for part, others in numbers.items():
            if (key := f"{one.part}-{part}") in detector.pairs and others:
                seen = offsets(one.at, [found[at].at for at in others], key)
                values = squared_distances(detector.pairs[key], seen).tolist()
                distances |= {(first, at): value for at, value in zip(others, values, strict=True)}
    return distances


def _possible(found: Sequence[Found], fits: Fits) -> Iterator[tuple[int, ...]]:
    """All faces: single parts, and two or three that fit pairwise."""
    yield from ((at,) for at in range(len(found)))
    yield from fits
    partners: dict[int, list[int]] = {}
    for one, other in fits:
        partners.setdefault(one, []).append(other)
    for first, others in partners.items():
        for second, third in combinations(others, 2):
            parts = sorted(found[at].part for at in (first, second, third))
            if (second, third) in fits and parts == ["eye"] * EYES + ["nose"]:
                yield first, second, third


def _value(face: tuple[int, ...], found: Sequence[Found], fits: Fits) -> float:
    confidences = np.clip([found[at].confidence for at in face], LEAST_CONFIDENCE, 1 - LEAST_CONFIDENCE)
    return float(logit(confidences).sum()) + sum(fits[pair] for pair in combinations(face, 2)) / 2


def _is_double(
    face: tuple[int, ...], faces: Sequence[tuple[int, ...]], found: Sequence[Found], fits: Fits, sure: float
) -> bool:
    """Whether a face is a single part below ``sure`` that fits a more confident part of another face."""
    (first, *rest) = face
    return (
        not rest
        and found[first].confidence < sure
        and any(
            tuple(sorted((first, at))) in fits and found[at].confidence > found[first].confidence
            for other in faces
            if len(other) > 1
            for at in other
        )
    )


def _middle(face: Face) -> Float64Array:
    return np.asarray(np.mean([(one.at.x, one.at.y) for one in face], 0), np.float64)


def _extent(face: Face) -> float:
    """Largest distance of two parts in pixels."""
    return max(math.hypot(a.at.x - b.at.x, a.at.y - b.at.y) for a, b in combinations(face, 2))


def _order(one: Found) -> tuple[bool, float, float]:
    return one.part != "nose", one.at.x, one.at.y
