"""The convex problem behind a readout: a sparse non-negative softmax regression over positions.

For each image, the softmax over its grid positions and one extra null class ("no such part here") is compared
with a target distribution by cross-entropy. The position logits are linear in the group maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sge.arrays import Array, Float64Array

TARGET_STD = 0.03
"""Standard deviation of the target around a label, as a fraction of the shorter side."""
L1_WEIGHT = 0.1
"""Loss weight of the sum of the group weights (L1); a higher one gives fewer groups."""
MAX_CANDIDATES = 150
"""Groups that enter the problem: those whose maps correlate most with the targets."""
NEGATIVE_WEIGHT = 0.5
"""Loss weight of all images without the part together; that of the images with it is 1."""
MIN_WEIGHT = 1e-3
"""Smaller group weights are set to 0."""
MAX_ITERATIONS = 80


def target(shape: tuple[int, int], points: Float64Array, size: tuple[float, float]) -> Array:
    """Target distribution over positions: a mixture of equal Gaussians at the labelled points.

    Args:
        shape: Rows and columns of the grid.
        points: (N, 2), x and y from the grid's corner, N at least 1.
        size: Width and height of the grid, in the unit of the points.

    Returns:
        (rows * columns,), float32, summing to 1.
    """
    rows, cols = shape
    width, height = size
    y, x = (np.arange(rows) + 0.5) / rows * height, (np.arange(cols) + 0.5) / cols * width
    distance = (x[None, None] - points[:, :1, None]) ** 2 + (y[None, :, None] - points[:, 1:, None]) ** 2
    # Each point's smallest distance is subtracted, so that the sum stays above 0 on a coarse grid.
    nearest = distance.min((1, 2), keepdims=True)
    bumps = np.exp(-(distance - nearest) / (2 * (TARGET_STD * min(size)) ** 2))
    total = (bumps / bumps.sum((1, 2), keepdims=True)).mean(0)
    return np.asarray(total.ravel(), np.float32)


def solve(
    features: Sequence[Array],
    targets: Sequence[Array],
    negatives: Sequence[Array] = (),
    l1_weight: float = L1_WEIGHT,
) -> Array:
    """Group weights that minimize the cross-entropy; the problem is convex and solved by L-BFGS-B.

    The loss is the mean cross-entropy of the images that show the part, plus ``NEGATIVE_WEIGHT`` times that of
    the images that do not, plus ``l1_weight`` times the sum of the weights. The logit of the null class is a
    free variable, shared by all images.

    Args:
        features: Of each image that shows the part (F, positions), float32.
        targets: Of each of them (positions,), summing to 1.
        negatives: Features of images that do not show the part; their target is the null class.
        l1_weight: See ``L1_WEIGHT``.

    Returns:
        (F,), float32, non-negative, most of them 0.
    """
    from scipy.optimize import minimize

    candidates = _candidates(features, targets)
    loss = _cross_entropy([x[candidates] for x in features], targets, [x[candidates] for x in negatives])

    def regularized(variables: Float64Array) -> tuple[float, Float64Array]:
        weights, null_logit = variables[:-1], np.float32(variables[-1])
        value, gradient, null_gradient = loss(weights.astype(np.float32), null_logit)
        penalty = l1_weight * float(weights.sum())
        return value + penalty, np.append((gradient + l1_weight).astype(np.float64), null_gradient)

    result = minimize(
        regularized,
        np.zeros(len(candidates) + 1),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * len(candidates) + [(None, None)],
        options={"maxiter": MAX_ITERATIONS, "maxcor": 20},
    )
    weights = np.zeros(len(features[0]), np.float32)
    weights[candidates] = np.where(result.x[:-1] > MIN_WEIGHT, result.x[:-1], 0)
    return weights


def _candidates(
    features: Sequence[Array], targets: Sequence[Array]
) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Groups with the steepest loss gradient at weight 0: target mean minus overall mean of their maps."""
    excess = sum(x @ (q - 1 / len(q)) for x, q in zip(features, targets, strict=True))
    return np.argsort(-np.asarray(excess), kind="stable")[:MAX_CANDIDATES]


@dataclass(frozen=True)
class _CrossEntropy:
    """Weighted softmax cross-entropy of all images, with its gradient; images lie one after the other."""

    table: Array
    """(F, positions of all images)."""
    targets: Array
    """(positions of all images,); 0 in an image without the part."""
    null_targets: Array
    """(images,): 1 for an image without the part, else 0."""
    image_weights: Array
    """(images,): weight of each image's cross-entropy."""
    starts: np.ndarray[tuple[int], np.dtype[np.intp]]
    """(images,): first position of each image."""
    image: np.ndarray[tuple[int], np.dtype[np.intp]]
    """(positions of all images,): number of the image that each position belongs to."""

    def __call__(self, weights: Array, null_logit: np.float32) -> tuple[float, Array, float]:
        """Loss, its gradient by group weight, and its derivative by the null logit."""
        logits = weights @ self.table
        # Subtracting the largest logit keeps exp within range.
        largest = np.maximum(np.maximum.reduceat(logits, self.starts), null_logit)
        exp_logits = np.exp(logits - largest[self.image])
        exp_null = np.exp(null_logit - largest)
        partition = np.add.reduceat(exp_logits, self.starts) + exp_null
        log_partition = largest + np.log(partition)
        loss = self.image_weights @ (log_partition - self.null_targets * null_logit)
        loss -= self.image_weights[self.image] @ (self.targets * logits)
        residual = exp_logits / partition[self.image] - self.targets
        gradient = self.table @ (self.image_weights[self.image] * residual)
        null_gradient = self.image_weights @ (exp_null / partition - self.null_targets)
        return float(loss), gradient, float(null_gradient)


def _cross_entropy(
    features: Sequence[Array], targets: Sequence[Array], negatives: Sequence[Array]
) -> _CrossEntropy:
    tables = [*features, *negatives]
    positions = [x.shape[1] for x in tables]
    return _CrossEntropy(
        table=np.concatenate(tables, axis=1),
        targets=np.concatenate([*targets, *(np.zeros(x.shape[1], np.float32) for x in negatives)]),
        null_targets=np.array([0.0] * len(features) + [1.0] * len(negatives), np.float32),
        image_weights=np.array(
            [1 / len(features)] * len(features) + [NEGATIVE_WEIGHT / max(len(negatives), 1)] * len(negatives),
            np.float32,
        ),
        starts=np.cumsum([0, *positions[:-1]]),
        image=np.repeat(np.arange(len(positions)), positions),
    )
