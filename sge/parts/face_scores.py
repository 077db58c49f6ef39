"""Measures found parts against labelled faces: hits by kind, missed parts, false alarms, calibration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sge.arrays import Float64Array
from sge.parts.finder import Part
from sge.parts.labelled_faces import Face, FacesImage
from sge.parts.labels import KEYS

WITHIN = (0.1, 0.05)
"""Distances of a hit, as fractions of the shorter side."""
NEAR, NEAR_SIZE = 0.025, 0.25
"""A part is right within this fraction of the shorter side, or of the face's size, of a labelled point."""
UNSURE, UNSURE_SIZE = 0.1, 1.0
"""Parts this near a point of an unsure face are not scored, likewise."""
KINDS = ("dogs", "animals", "people", "birds")
"""Kinds under which faces are measured; ``animals`` are mammals other than dogs and people."""
RESAMPLES = 2000
BINS = 10


@dataclass(frozen=True)
class Found:
    """One part that was found, in units of the image's shorter side."""

    x: float
    y: float
    score: float


@dataclass(frozen=True)
class Scored:
    """What was found in one image, without parts at unsure faces, beside what is labelled."""

    image: FacesImage
    shorter: float
    """Shorter side of the upright image, in pixels."""
    found: dict[str, list[Found]]
    """By part (``nose``, ``eye``), the highest score first."""

    def points(self, part: str, faces: Iterable[Face]) -> Float64Array:
        """(N, 2): the points of some faces, in units of the shorter side."""
        points = [point for face in faces for point in face.of(part)]
        return np.asarray(points, np.float64).reshape(-1, 2) / self.shorter

    @property
    def sure(self) -> list[Face]:
        """The faces that are scored."""
        return [face for face in self.image.faces if not face.unsure]


def scored(image: FacesImage, size: tuple[int, int], parts: Sequence[Part]) -> Scored:
    """Puts what was found in an image beside its labels.

    Args:
        image: With its faces.
        size: Width and height of the upright image, in pixels.
        parts: Everything that the finder gives, also below the confidence at which it is listed.
    """
    shorter = float(min(size))
    found: dict[str, list[Found]] = {}
    for name, keys in KEYS.items():
        ones = [Found(one.x / shorter, one.y / shorter, one.score) for one in parts if one.name in keys]
        kept = [one for one in ones if not is_at_unsure(image.faces, (one.x, one.y), shorter)]
        found[name] = sorted(kept, key=lambda one: -one.score)
    return Scored(image, shorter, found)


@dataclass(frozen=True)
class Hits:
    """One image whose largest sure face is of the kind and shows the part."""

    main: float
    """Distance of the highest part to the largest sure face's nearest point, as a fraction of the shorter side."""
    any: float
    """To the nearest point of any sure face."""
    score: float
    """Of the highest part; 0 without one."""


def main_hits(images: Sequence[Scored], part: str, kind: str) -> list[Hits]:
    """The images of one kind that show a part, with their highest part."""
    hits = []
    for one in images:
        main = one.image.main
        if main is None or main.measured_as != kind or not main.of(part):
            continue
        if not one.found[part]:
            hits.append(Hits(np.inf, np.inf, 0.0))
            continue
        top = one.found[part][0]
        nearest = [float(_distances(top, one.points(part, faces)).min()) for faces in ([main], one.sure)]
        hits.append(Hits(nearest[0], nearest[1], top.score))
    return hits


def false_alarms(images: Sequence[Scored], part: str) -> Float64Array:
    """(images without a face,): score of the highest part."""
    without = [one for one in images if one.image.is_without]
    return np.array([one.found[part][0].score if one.found[part] else 0.0 for one in without], np.float64)


@dataclass(frozen=True)
class Candidates:
    """All found parts of all images, each compared with the labelled points."""

    score: Float64Array
    """(N,)."""
    right: npt.NDArray[np.bool_]
    """(N,): whether it is the highest part near a labelled point."""
    points: int
    """Number of labelled points of sure faces."""


def candidates(images: Sequence[Scored], part: str) -> Candidates:
    """Matches found parts with the points of all sure faces, the highest first; a point is found once.

    Images with faces that nobody labelled are left out.
    """
    scores: list[float] = []
    right: list[bool] = []
    total = 0
    for one in images:
        if one.image.unlabelled:
            continue
        total += len(one.points(part, one.sure))
        found = one.found[part]
        scores += [each.score for each in found]
        right += are_right(one.sure, part, [(each.x, each.y) for each in found], one.shorter)
    return Candidates(np.array(scores, np.float64), np.array(right, bool), total)


def are_right(
    faces: Iterable[Face], part: str, positions: Sequence[tuple[float, float]], shorter: float
) -> list[bool]:
    """Whether each position is the first one near a labelled point; a point counts once, for the first.

    Args:
        faces: Those that are scored.
        part: ``nose`` or ``eye``.
        positions: In units of the image's shorter side, the most confident first.
        shorter: The image's shorter side in pixels.
    """
    free = [(point, face.size) for face in faces for point in face.of(part)]
    right = []
    for x, y in positions:
        apart = [float(np.hypot(x - point[0] / shorter, y - point[1] / shorter)) for point, _ in free]
        near = [
            (distance, at)
            for at, (distance, (_, size)) in enumerate(zip(apart, free, strict=True))
            if distance <= max(NEAR, NEAR_SIZE * size / shorter)
        ]
        if near:
            free.pop(min(near)[1])
        right.append(bool(near))
    return right


def is_at_unsure(faces: Iterable[Face], position: tuple[float, float], shorter: float) -> bool:
    """Whether a position, in units of the shorter side, is so near an unsure face that it is not scored."""
    return any(
        min(np.hypot(position[0] - x / shorter, position[1] - y / shorter) for x, y in face.points.values())
        <= max(UNSURE, UNSURE_SIZE * face.size / shorter)
        for face in faces
        if face.unsure
    )


@dataclass(frozen=True)
class Reliability:
    """One bin of found parts by confidence."""

    stated: float
    """Mean confidence."""
    right: float
    """Share that is right."""
    count: int


def reliability(score: Float64Array, right: npt.NDArray[np.bool_], bins: int = BINS) -> list[Reliability]:
    """Found parts in bins of equal width by their confidence; empty bins are left out."""
    at = np.minimum((score * bins).astype(int), bins - 1)
    return [
        Reliability(float(score[at == one].mean()), float(right[at == one].mean()), int((at == one).sum()))
        for one in range(bins)
        if (at == one).any()
    ]


def calibration_error(rows: Sequence[Reliability]) -> float | None:
    """Expected calibration error: mean of ``|stated - right|`` over found parts; None without any."""
    total = sum(row.count for row in rows)
    return sum(row.count * abs(row.stated - row.right) for row in rows) / total if total else None


def area_under_curve(positive: Sequence[float], negative: Sequence[float]) -> float | None:
    """Area under the ROC curve; None if one of the two is empty."""
    from sklearn.metrics import roc_auc_score

    if not len(positive) or not len(negative):
        return None
    labels = [1] * len(positive) + [0] * len(negative)
    return float(roc_auc_score(labels, [*positive, *negative]))


def curve_interval(
    positive: Sequence[float], negative: Sequence[float], seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % percentile interval of ``area_under_curve``, both sets of images resampled.

    The area is the mean over pairs of whether the positive one is higher, so that ranks of all pairs suffice.
    """
    rng = np.random.default_rng(seed)
    above, below = np.asarray(positive)[:, None], np.asarray(negative)[None]
    wins = (above > below) + 0.5 * (above == below)
    shares = [
        rng.multinomial(len(wins), np.full(len(wins), 1 / len(wins)))
        @ wins
        @ rng.multinomial(wins.shape[1], np.full(wins.shape[1], 1 / wins.shape[1]))
        / wins.size
        for _ in range(resamples)
    ]
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


def share_interval(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson), which is also meaningful for a share of 0."""
    from scipy.stats import binomtest

    found = binomtest(count, total).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def _distances(found: Found, points: Float64Array) -> Float64Array:
    return np.asarray(np.hypot(points[:, 0] - found.x, points[:, 1] - found.y), np.float64)
