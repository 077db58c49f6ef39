"""Fits a part finder to maps of labelled images; no network is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sge.arrays import Array, Float64Array
from sge.errors import FinderError
from sge.images import Geometry
from sge.parts.find import (
    Peak,
    Similarity,
    clipped,
    grid_shape,
    peaks,
    readout_logits,
    weighted_sum,
)
from sge.parts.finder import PARTS, Finder, GroupWeight, Readout
from sge.parts.objective import solve, target
from sge.parts.resample import resampled

MAX_STRIDE, MIN_STRIDE = 32, 16
"""Strides of the blocks that may enter a readout, in pixels a cell: finer blocks respond to texture, not to parts."""
FOLDS = 5
FAR = 0.25
"""Without images that lack the part, the best peak at least this far from the part stands for a negative one.

A fraction of the shorter side.
"""
THRESHOLD = 0.5
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class LabelledMaps:
    """Maps of one image, with its labelled points."""

    geometry: Geometry
    maps: Mapping[str, Array]
    """Block name to clipped similarity, (G, h, w)."""
    grid: tuple[int, int]
    """Rows and columns of the finest block."""
    features: Array
    """(all groups, positions of the grid), float32."""
    points: Mapping[str, Points]
    """Part (``nose``, ``eye``) to (x, y) in pixels of the upright image.

    An empty list means that the image shows none; a missing part, that the image is not labelled for it.
    """


def labelled_maps(
    similarity: Similarity, strides: Mapping[str, int], geometry: Geometry, points: Mapping[str, Points]
) -> LabelledMaps:
    """Prepares one image for ``fit_finder``.

    Args:
        similarity: Of all blocks.
        strides: Block name to its stride in pixels. Blocks outside ``MIN_STRIDE`` to ``MAX_STRIDE`` are left
            out, unless all are.
        geometry: Of the image.
        points: See ``LabelledMaps``.
    """
    blocks = [name for name, stride in strides.items() if MIN_STRIDE <= stride <= MAX_STRIDE]
    maps = {name: clipped(similarity[name]) for name in blocks or strides}
    grid = grid_shape(similarity, maps, upsampling=1)
    features = np.concatenate([resampled(values, grid) for values in maps.values()])
    return LabelledMaps(geometry, maps, grid, features.reshape(len(features), -1), points)


def fit_finder(
    images: Sequence[LabelledMaps],
    permutations: str,
    *,
    fitted_on: str = "not stated",
    size: int | None = None,
) -> Finder:
    """A finder of every part that an image shows.

    Args:
        images: Of one model.
        permutations: Digest of the model's channel permutations, ``Model.permutations``.
        fitted_on: Images and labels, in words.
        size: Shorter side of the network's input, in pixels.

    Raises:
        FinderError: no group responds to a part.
    """
    shown = [part for part in PARTS if any(image.points.get(part) for image in images)]
    return Finder({part: fit_readout(images, part) for part in shown}, permutations, fitted_on, size)


def fit_readout(images: Sequence[LabelledMaps], part: str) -> Readout:
    """The readout of one part, with scale and bias such that 0.5 separates images with and without the part.

    Scale and bias come from cross-validation: each peak height is measured with group weights that were fitted
    without its image.

    Args:
        images: Of one model, at least one of them showing the part.
        part: ``nose`` or ``eye``.

    Raises:
        FinderError: no group responds to the part.
    """
    shown = [image for image in images if image.points.get(part)]
    absent = [image for image in images if part in image.points and not image.points[part]]
    positive, negative = _cross_validated_heights(shown, absent, part)
    weights = _group_weights(shown, absent, part)
    if not positive:  # With a single example, half the height of its own peak is the threshold.
        positive, negative = [_peaks(shown[0], weights)[0].logit], [0.0]
    slope, bias = _logistic_curve(positive, negative)
    return Readout(tuple(_terms(shown[0], weights)), slope * float(weights.sum()), bias, THRESHOLD)


def _cross_validated_heights(
    shown: Sequence[LabelledMaps], absent: Sequence[LabelledMaps], part: str
) -> tuple[list[float], list[float]]:
    """Peak heights where the part is and where it is not; both empty with fewer than two images."""
    from sklearn.model_selection import PredefinedSplit

    positive: list[float] = []
    negative: list[float] = []
    if len(shown) < 2:
        return positive, negative
    images = [*shown, *absent]
    folds = np.concatenate([np.arange(len(shown)), np.arange(len(absent))]) % min(FOLDS, len(shown))
    for train, held_out in PredefinedSplit(folds).split():
        weights = _group_weights(
            [images[i] for i in train if i < len(shown)], [images[i] for i in train if i >= len(shown)], part
        )
        for i in held_out:
            found = _peaks(images[i], weights)
            (positive if i < len(shown) else negative).append(found[0].logit)
            if not absent:
                far = [peak.logit for peak in found if _is_far(images[i], part, peak)]
                negative.append(max(far, default=0.0))
    return positive, negative


def _group_weights(shown: Iterable[LabelledMaps], absent: Iterable[LabelledMaps], part: str) -> Array:
    shown = list(shown)
    targets = [target(image.grid, _in_window(image, part), _window_size(image)) for image in shown]
    weights = solve([image.features for image in shown], targets, [image.features for image in absent])
    if not weights.any():
        raise FinderError(
            f"No group responds to the {part} of these images. Check the points, or give more images."
        )
    return weights


def _in_window(image: LabelledMaps, part: str) -> Float64Array:
    window = image.geometry.window
    return np.asarray(image.points[part], np.float64) - [window.left, window.top]


def _window_size(image: LabelledMaps) -> tuple[float, float]:
    window = image.geometry.window
    return window.right - window.left, window.bottom - window.top


def _terms(image: LabelledMaps, weights: Array) -> list[GroupWeight]:
    """The weights above 0 by block and group, largest first, summing to 1."""
    names = [(block, group) for block, maps in image.maps.items() for group in range(len(maps))]
    total = float(weights.sum())
    kept = [i for i in np.argsort(-weights, kind="stable") if weights[i] > 0]
    return [GroupWeight(names[i][0], names[i][1], float(weights[i]) / total) for i in kept]


def _peaks(image: LabelledMaps, weights: Array) -> list[Peak]:
    logits = weighted_sum(image.maps, _terms(image, weights), grid_shape(image.maps, image.maps))
    return peaks(float(weights.sum()) * logits, image.geometry)


def _is_far(image: LabelledMaps, part: str, peak: Peak) -> bool:
    distances = [np.hypot(peak.x - x, peak.y - y) for x, y in image.points[part]]
    return bool(min(distances) > FAR * min(image.geometry.image))


def _logistic_curve(positive: list[float], negative: list[float]) -> tuple[float, float]:
    """Slope and bias of a logistic regression on peak heights; both classes have the same total weight."""
    from sklearn.linear_model import LogisticRegression

    heights = np.array(positive + negative)[:, None]
    std = float(heights.std()) or 1.0
    curve = LogisticRegression(class_weight="balanced")
    curve.fit(heights / std, [1] * len(positive) + [0] * len(negative))
    # Where heights separate nothing the slope may be negative; the map must still be highest at its peak.
    slope = max(float(curve.coef_[0, 0]), 0.1) / std
    return slope, -float(curve.intercept_[0])


def readout_peaks(image: LabelledMaps, readout: Readout) -> list[Peak]:
    """Peaks of a readout's logits in an image, highest first."""
    logits = readout_logits(image.maps, readout, grid_shape(image.maps, image.maps))
    return peaks(logits, image.geometry)
