"""The convex problem behind a part's mix: which few groups, together, are highest at the labelled places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from sge.arrays import Array

SPREAD = 0.03
"""Standard deviation of the target around a label, as a fraction of the shorter side."""
PRICE = 0.1
"""Of a unit of weight (L1): a higher price gives fewer groups."""
CANDIDATES = 150
"""Groups that enter the problem: those that answer most at the labelled places."""
EMPTY = 0.5
"""What all images without the part weigh together, against 1 of those that show it."""
LEAST = 1e-3
"""Weights below it are no part of the mix."""
STEPS = 80


def target(shape: tuple[int, int], points: npt.NDArray[np.float64], size: tuple[float, float]) -> Array:
    """Where the mix should be high: equal Gaussians at the labelled points, summing to 1.

    Args:
        shape: Rows and columns of the grid.
        points: (N, 2), x and y from the grid's corner, N at least 1.
        size: Width and height of the grid, in the points' unit.

    Returns:
        (rows * columns,), float32.
    """
    rows, cols = shape
    width, height = size
    y, x = (np.arange(rows) + 0.5) / rows * height, (np.arange(cols) + 0.5) / cols * width
    distance = (x[None, None] - points[:, :1, None]) ** 2 + (y[None, :, None] - points[:, 1:, None]) ** 2
    # Subtracting each point's smallest keeps a sum above 0 where the grid is coarse.
    nearest = distance.min((1, 2), keepdims=True)
    bumps = np.exp(-(distance - nearest) / (2 * (SPREAD * min(size)) ** 2))
    total = (bumps / bumps.sum((1, 2), keepdims=True)).mean(0)
    return np.asarray(total.ravel(), np.float32)


def solve(
    features: Sequence[Array], targets: Sequence[Array], empty: Sequence[Array] = (), price: float = PRICE
) -> Array:
    """Non-negative weights that make the labelled places win against all others of their image.

    Each image is a choice among its places and one more, "nowhere", whose height is learned too. The loss is
    the cross entropy of that choice, averaged over the images that show the part, plus ``EMPTY`` times that
    over those that do not, plus ``price`` times the sum of the weights; convex, by L-BFGS-B.

    Args:
        features: For each image (F, places), float32.
        targets: For each image (places,), summing to 1.
        empty: Features of images that do not show the part: nowhere is right.
        price: See ``PRICE``.

    Returns:
        (F,), float32, most of them 0.
    """
    pull = sum(x @ (q - 1 / len(q)) for x, q in zip(features, targets, strict=True))
    chosen = np.argsort(-np.asarray(pull), kind="stable")[:CANDIDATES]
    table = np.concatenate([x[chosen] for x in (*features, *empty)], axis=1)
    goal = np.concatenate([*targets, *(np.zeros(x.shape[1], np.float32) for x in empty)])
    places = [x.shape[1] for x in (*features, *empty)]
    starts = np.cumsum([0, *places[:-1]])
    image = np.repeat(np.arange(len(places)), places)
    worth = np.array(
        [1 / len(features)] * len(features) + [EMPTY / max(len(empty), 1)] * len(empty), np.float32
    )
    nowhere = np.array([0.0] * len(features) + [1.0] * len(empty), np.float32)

    def loss(values: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        scores, none = values[:-1].astype(np.float32) @ table, np.float32(values[-1])
        top = np.maximum(np.maximum.reduceat(scores, starts), none)
        rising = np.exp(scores - top[image])
        rest = np.exp(none - top)
        totals = np.add.reduceat(rising, starts) + rest
        value = worth @ (top + np.log(totals) - nowhere * none) - worth[image] @ (goal * scores)
        slope = table @ (worth[image] * (rising / totals[image] - goal)) + price
        slope_none = float(worth @ (rest / totals - nowhere))
        return float(value) + price * float(values[:-1].sum()), np.append(
            slope.astype(np.float64), slope_none
        )

    result = minimize(
        loss,
        np.zeros(len(chosen) + 1),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * len(chosen) + [(None, None)],
        options={"maxiter": STEPS, "maxcor": 20},
    )
    weights = np.zeros(len(features[0]), np.float32)
    weights[chosen] = np.where(result.x[:-1] > LEAST, result.x[:-1], 0)
    return weights
