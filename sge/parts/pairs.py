"""How well the candidates of an image fit into one face, and how confident each one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import expit

from sge.arrays import Float64Array
from sge.parts.detector import Calibration, Detector, Pair
from sge.parts.scales import Candidate

MAX_LOGIT = 6.0
"""A partner's logit counts up to here, so that the offset matters also beside an outstanding peak."""
TOO_NEAR = 0.6
"""A candidate nearer than this, in cells, is no partner: it may be the same position."""
LEAST = -14.0
"""The least value of a pair, also where there is no partner."""


def offsets(first: Candidate, others: Sequence[Candidate], pair: str) -> Float64Array:
    """Offsets from a candidate to others as ``Pair`` states them: in cells of the first one, for ``eye-eye`` with x above 0.

    Args:
        first: The first part of the pair.
        others: Candidates for the second part.
        pair: ``nose-eye``, ``eye-nose`` or ``eye-eye``.

    Returns:
        (N, 2), x and y.
    """
    points = np.array([(other.x, other.y) for other in others], np.float64).reshape(-1, 2)
    found = (points - (first.x, first.y)) / first.cell
    if pair == "eye-eye":
        found = np.where(found[:, :1] < 0, -found, found)
    return found


def squared_distances(pair: Pair, found: Float64Array) -> Float64Array:
    """Squared Mahalanobis distances of offsets from the mean of a pair, (N,)."""
    centered = found - pair.mean
    inverse = np.linalg.inv(np.array(pair.covariance))
    return np.asarray(((centered @ inverse) * centered).sum(1), np.float64)


def log_densities(pair: Pair, found: Float64Array) -> Float64Array:
    """Logarithms of the Gaussian's density at offsets, without the constant ``-log(2 pi)``, (N,)."""
    log_determinant = np.log(np.linalg.det(np.array(pair.covariance)))
    return np.asarray(-0.5 * (squared_distances(pair, found) + log_determinant), np.float64)


def pair_features(detector: Detector, found: Mapping[str, Sequence[Candidate]]) -> dict[str, Float64Array]:
    """What the other candidates say for each one: ``best pair`` and ``second pair``.

    The value of a pair is the partner's logit, up to ``MAX_LOGIT``, plus the log density of the offset, and at least
    ``LEAST``. A nose has its best and second best eye. An eye has its best nose, and its best other eye.

    Returns:
        Part to (candidates, 2).
    """
    features = {}
    for part, peaks in found.items():
        rows = []
        for peak in peaks:
            if part == "nose":
                eyes = sorted(_values(detector, "nose-eye", peak, found.get("eye", ())))
                rows.append([*eyes[-1:], *eyes[-2:-1], LEAST, LEAST][:2])
            else:
                noses = _values(detector, "eye-nose", peak, found.get("nose", ()))
                others = _values(detector, "eye-eye", peak, peaks)
                rows.append([max(noses, default=LEAST), max(others, default=LEAST)])
        features[part] = np.array(rows, np.float64).reshape(-1, 2)
    return features


def confidences(detector: Detector, found: Mapping[str, Sequence[Candidate]]) -> dict[str, Float64Array]:
    """Calibrated confidences of all candidates: part to (candidates,), 0 to 1."""
    features = pair_features(detector, found)
    return {
        part: calibrated(detector.calibration[part], [peak.logit for peak in peaks], features[part])
        for part, peaks in found.items()
    }


def calibrated(calibration: Calibration, logits: Sequence[float], pairs: Float64Array) -> Float64Array:
    """Confidences of peaks.

    Args:
        calibration: Of their part.
        logits: (N,).
        pairs: (N, 2), from ``pair_features``.

    Returns:
        (N,), 0 to 1.
    """
    features = np.column_stack([np.array(logits, np.float64), pairs])
    result: Float64Array = expit(calibration.intercept + features @ np.array(calibration.weights, np.float64))
    return result


def _values(detector: Detector, key: str, peak: Candidate, partners: Sequence[Candidate]) -> list[float]:
    """The value of the pair with each partner that is far enough away."""
    if key not in detector.pairs or not partners:
        return []
    found = offsets(peak, partners, key)
    logits = np.minimum([partner.logit for partner in partners], MAX_LOGIT)
    values = np.maximum(logits + log_densities(detector.pairs[key], found), LEAST)
    return [float(value) for value in values[np.hypot(*found.T) >= TOO_NEAR]]
