"""Turns fitted readouts into a detector: offsets of the parts of a face, and the confidence of peaks.

Both are learned from peaks in images that the readouts were not fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sge.arrays import Float64Array
from sge.errors import FinderError
from sge.images import Geometry
from sge.parts.columns import as_blocks
from sge.parts.detector import PAIRS, Calibration, Detector, Pair
from sge.parts.detector_fit import FOLDS, Fit
from sge.parts.face_scores import NEAR_SIZE, Found, Scored, are_right, false_alarms, is_at_unsure
from sge.parts.finder import PARTS
from sge.parts.labelled_faces import Face, FacesImage
from sge.parts.pairs import confidences, offsets, pair_features
from sge.parts.scales import Candidate, candidates

SPREAD = 0.1
"""Added to the variances of a pair's offsets, in squared cells: labels are placed by hand."""
FEWEST_OFFSETS = 10
"""A pair with fewer offsets is left out of the detector."""
STRENGTH = 0.3
"""Inverse strength of the L2 penalty on the weights of standardized features in the confidence."""
LEAST_SLOPE = 1e-3
"""Confidence must rise with the logit."""
MOST_ALARMS = 0.03
"""At most this share of the images without a face may show a part; the confidence of a shown part is chosen so."""

Peaks = Mapping[str, Sequence[Candidate]]
"""Part to the candidates of one image."""


@dataclass(frozen=True)
class Calibrated:
    """A detector, and what it finds in the images of the fit without having seen them."""

    detector: Detector
    held_out: list[Scored]
    """Of each image: readouts, offsets and confidences come from other images."""


def calibrated_detector(
    fit: Fit, images: Sequence[FacesImage], sizes: Sequence[int], recipe: int = 0
) -> Calibrated:
    """The detector of one recipe.

    Args:
        fit: Of the images.
        images: As in the fit.
        sizes: Those at which the held-out logits were made.
        recipe: Number of the recipe in the fit.

    Raises:
        FinderError: no peak lies at a labelled part.
    """
    rows = slice(recipe * len(fit.parts), (recipe + 1) * len(fit.parts))
    draft = Detector(
        parts=fit.parts,
        sizes=tuple(sizes),
        blocks=as_blocks(fit.columns, fit.final.weights[rows]),
        bias=tuple(float(value) for value in fit.final.bias[rows]),
        calibration={},
    )
    found = [
        candidates(draft, [replace(one, logits=one.logits[rows]) for one in image]) for image in fit.held_out
    ]
    geometries = [image[0].geometry for image in fit.held_out]
    held_out: list[Scored | None] = [None] * len(images)
    for fold in range(FOLDS):
        others = np.flatnonzero(fit.folds != fold).tolist()
        detector = _learned(
            draft, [images[i] for i in others], [found[i] for i in others], geometries, others
        )
        for i in np.flatnonzero(fit.folds == fold).tolist():
            held_out[i] = _scored(detector, images[i], found[i], geometries[i])
    detector = _learned(draft, images, found, geometries, range(len(images)))
    unseen = [one for one in held_out if one is not None]
    return Calibrated(replace(detector, shown=least_shown(unseen, draft.shown, draft.sure)), unseen)


def least_shown(images: Sequence[Scored], least: float, most: float) -> float:
    """The lowest confidence of a shown part at which few images without a face show one.

    Args:
        images: From readouts and confidences of other images. Without an image that has no face, ``least`` is returned.
        least: Lower end of the search.
        most: Upper end, which is returned even if more images than ``MOST_ALARMS`` show a part there.

    Returns:
        ``least``, or a multiple of 0.01 above it.
    """
    highest = np.maximum.reduce([false_alarms(images, part) for part in PARTS])
    hundredths = range(math.floor(least * 100) + 1, math.ceil(most * 100))
    for shown in (least, *(one / 100 for one in hundredths)):
        if not len(highest) or np.mean(highest >= shown) <= MOST_ALARMS:
            return shown
    return most


def learned_pairs(
    parts: Sequence[str], images: Sequence[FacesImage], found: Sequence[Peaks]
) -> dict[str, Pair]:
    """Gaussians of the offsets between the labelled parts of sure faces, in cells of the first part's peak."""
    pairs = {}
    for key in PAIRS:
        first, second = key.split("-")
        if first not in parts or second not in parts:
            continue
        apart = [
            offset
            for image, peaks in zip(images, found, strict=True)
            for face in image.faces
            if not face.unsure
            for offset in _offsets(key, face, peaks[first])
        ]
        if len(apart) >= FEWEST_OFFSETS:
            covariance = np.cov(np.array(apart).T) + SPREAD * np.eye(2)
            mean = np.mean(apart, axis=0)
            xx, xy, yy = (round(float(value), 4) for value in covariance[[0, 0, 1], [0, 1, 1]])
            pairs[key] = Pair((round(float(mean[0]), 4), round(float(mean[1]), 4)), ((xx, xy), (xy, yy)))
    return pairs


def learned_calibration(features: Float64Array, right: npt.NDArray[np.bool_]) -> Calibration:
    """Confidence of a part's peaks.

    Args:
        features: (N, 3): logit, best pair, second pair.
        right: (N,): whether the peak lies at a labelled part.

    Raises:
        FinderError: all peaks are right, or all are wrong.
    """
    if right.all() or not right.any():
        raise FinderError(
            "The peaks of these images are all right or all wrong, which calibrates no confidence. Add images without a "
            "face, and check the points of the others."
        )
    weights, intercept = _logistic(features, right)
    slope, level = _logistic(features[:, :1], right)
    return Calibration(
        (max(weights[0], LEAST_SLOPE), weights[1], weights[2]), intercept, (max(slope[0], LEAST_SLOPE), level)
    )


def _learned(
    draft: Detector,
    images: Sequence[FacesImage],
    found: Sequence[Peaks],
    geometries: Sequence[Geometry],
    numbers: Sequence[int],
) -> Detector:
    detector = replace(draft, pairs=learned_pairs(draft.parts, images, found))
    rows: dict[str, list[Float64Array]] = {part: [] for part in draft.parts}
    right: dict[str, list[bool]] = {part: [] for part in draft.parts}
    for image, peaks, number in zip(images, found, numbers, strict=True):
        shorter = float(min(geometries[number].image))
        features = pair_features(detector, peaks)
        for part, ones in peaks.items():
            positions = [(one.x / shorter, one.y / shorter) for one in ones]
            kept = [at for at, one in enumerate(positions) if not is_at_unsure(image.faces, one, shorter)]
            sure = [face for face in image.faces if not face.unsure]
            hits = are_right(sure, part, [positions[at] for at in kept], shorter)
            for at, hit in zip(kept, hits, strict=True):
                if hit or not image.unlabelled:
                    rows[part].append(np.array([ones[at].logit, *features[part][at]]))
                    right[part].append(hit)
    calibration = {part: learned_calibration(np.array(rows[part]), np.array(right[part])) for part in rows}
    return replace(detector, calibration=calibration)


def _scored(detector: Detector, image: FacesImage, found: Peaks, geometry: Geometry) -> Scored:
    shorter = float(min(geometry.image))
    scores = confidences(detector, found)
    listed = {
        part: [
            Found(one.x / shorter, one.y / shorter, float(score))
            for one, score in zip(ones, scores[part], strict=True)
            if not is_at_unsure(image.faces, (one.x / shorter, one.y / shorter), shorter)
        ]
        for part, ones in found.items()
    }
    # A part that no image shows has no readout and is found nowhere.
    ordered = {part: sorted(listed.get(part, []), key=lambda one: -one.score) for part in PARTS}
    return Scored(image, shorter, ordered)


def _offsets(key: str, face: Face, peaks: Sequence[Candidate]) -> list[Float64Array]:
    """Offsets between the labelled points of one face, in cells of the peak that is nearest to the first point."""
    first, second = key.split("-")
    found = []
    for one in face.of(first):
        others = [other for other in face.of(second) if other != one]
        near = min(peaks, key=lambda peak: np.hypot(peak.x - one[0], peak.y - one[1]), default=None)
        if near is None or not others:
            continue
        if np.hypot(near.x - one[0], near.y - one[1]) < NEAR_SIZE * face.size + min(near.cell) / 2:
            start = replace(near, x=one[0], y=one[1])
            found += list(offsets(start, [replace(near, x=x, y=y) for x, y in others], key))
    return found


def _logistic(features: Float64Array, right: npt.NDArray[np.bool_]) -> tuple[list[float], float]:
    """Weights and intercept of a logistic regression whose penalty is on standardized features."""
    from sklearn.linear_model import LogisticRegression

    mean, std = features.mean(0), features.std(0) + 1e-6
    curve = LogisticRegression(C=STRENGTH, max_iter=500).fit((features - mean) / std, right)
    weights = curve.coef_[0] / std
    intercept = float(curve.intercept_[0] - weights @ mean)
    return [round(float(weight), 5) for weight in weights], round(intercept, 5)
