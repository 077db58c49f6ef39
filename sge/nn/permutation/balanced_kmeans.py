"""Clusters of equal size, from correlations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

ROUNDS = 50
"""Most rounds of one run of k-means; runs nearly always settle in fewer."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def balanced_clusters(
    correlation: Floats, clusters: int, seed: int = 0, restarts: int = 4
) -> tuple[Ints, float]:
    """k-means with equal sizes, where each point is a channel's centred, scaled response over all places.

    Inner products of the points are their correlations, so that the points themselves are never needed. Each
    round gives every point a place in a cluster by solving the assignment problem. Of several restarts the
    best is kept; equal input and seed give an equal answer.

    Args:
        correlation: (C, C), symmetric.
        clusters: Number of clusters; divides C.
        seed: Of the starting centres.
        restarts: Number of runs.

    Returns:
        (C,) cluster of each point, numbered by the smallest point in each, and the mean correlation within
        clusters (a point with itself included), which was maximised.
    """
    rng = np.random.default_rng(seed)
    runs = [_run(correlation, clusters, rng) for _ in range(restarts)]
    scores = [cohesion(correlation, labels, clusters) for labels in runs]
    best = int(np.argmax(scores))
    return _renumbered(runs[best], clusters), scores[best]


def cohesion(correlation: Floats, labels: Ints, clusters: int) -> float:
    """Mean correlation within clusters of equal size."""
    member = np.eye(clusters)[labels]
    size = len(labels) / clusters
    return float((member * (correlation @ member)).sum() / (len(labels) * size))


def _run(correlation: Floats, clusters: int, rng: np.random.Generator) -> Ints:
    size = len(correlation) // clusters
    # A single point is the centre of each cluster at first.
    centres = np.eye(len(correlation))[:, _spread(correlation, clusters, rng)]
    labels = np.full(len(correlation), -1, np.int64)
    for _ in range(ROUNDS):
        # Squared distance to a centre, without the point's own norm, which is the same for all centres.
        products = correlation @ centres
        cost = (centres * products).sum(0) - 2 * products
        _, places = linear_sum_assignment(np.repeat(cost, size, axis=1))
        moved = np.asarray(places, np.int64) // size
        if np.array_equal(moved, labels):
            break
        labels = moved
        centres = np.eye(clusters)[labels] / size
    return labels


def _spread(correlation: Floats, clusters: int, rng: np.random.Generator) -> list[int]:
    """Starting points by k-means++: each is drawn with a chance that grows with its distance to the others."""
    norms = np.diag(correlation)
    chosen = [int(rng.integers(len(correlation)))]
    distance = norms + norms[chosen[0]] - 2 * correlation[chosen[0]]
    while len(chosen) < clusters:
        chance = distance.clip(0)
        chance[chosen] = 0
        if chance.sum() <= 0:  # Only copies of the chosen points are left.
            chance[np.setdiff1d(np.arange(len(chance)), chosen)] = 1
        point = int(rng.choice(len(correlation), p=chance / chance.sum()))
        chosen.append(point)
        distance = np.minimum(distance, norms + norms[point] - 2 * correlation[point])
    return chosen


def _renumbered(labels: Ints, clusters: int) -> Ints:
    _, first = np.unique(labels, return_index=True)
    rank = np.empty(clusters, np.int64)
    rank[np.argsort(first)] = np.arange(clusters)
    return rank[labels]
