"""k-means with clusters of equal size, on a matrix of correlations.

k-means-constrained is not used: it needs the points and not their correlations, and the shipped channel permutations
depend on the random numbers that this file draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

ROUNDS = 50
"""Maximum number of rounds of one run; nearly all runs converge earlier."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def balanced_clusters(
    correlation: Floats, clusters: int, seed: int = 0, restarts: int = 4
) -> tuple[Ints, float]:
    """k-means with clusters of equal size, where each point is a channel's standardized response over all positions.

    The inner products of the points are their correlations, so the points themselves are not needed. Each round assigns
    the points to the clusters by solving the linear assignment problem. The best of several runs is kept. Equal input
    and seed give an equal result.

    Args:
        correlation: (C, C), symmetric.
        clusters: Number of clusters; divides C.
        seed: Seed of the starting centers.
        restarts: Number of runs.

    Returns:
        (C,) cluster of each point, int64, where clusters are numbered in the order of their smallest point; and the mean
        correlation within clusters (each point with itself included), which the runs maximize.
    """
    rng = np.random.default_rng(seed)
    runs = [_run(correlation, clusters, rng) for _ in range(restarts)]
    scores = [cohesion(correlation, labels, clusters) for labels in runs]
    best = int(np.argmax(scores))
    return _renumbered(runs[best], clusters), scores[best]


def cohesion(correlation: Floats, labels: Ints, clusters: int) -> float:
    """Mean correlation within clusters of equal size.

    Args:
        correlation: (C, C), symmetric.
        labels: (C,), cluster of each point.
        clusters: Number of clusters.
    """
    member = np.eye(clusters)[labels]
    size = len(labels) / clusters
    return float((member * (correlation @ member)).sum() / (len(labels) * size))


def _run(correlation: Floats, clusters: int, rng: np.random.Generator) -> Ints:
    size = len(correlation) // clusters
    # Each center starts at a single point.
    centers = np.eye(len(correlation))[:, _starting_points(correlation, clusters, rng)]
    labels = np.full(len(correlation), -1, np.int64)
    for _ in range(ROUNDS):
        # Squared distance to a center, without the point's own norm, which is the same for all centers.
        products = correlation @ centers
        cost = (centers * products).sum(0) - 2 * products
        _, slots = linear_sum_assignment(np.repeat(cost, size, axis=1))
        moved = np.asarray(slots, np.int64) // size
        if np.array_equal(moved, labels):
            break
        labels = moved
        centers = np.eye(clusters)[labels] / size
    return labels


def _starting_points(correlation: Floats, clusters: int, rng: np.random.Generator) -> list[int]:
    """Starting points by k-means++: each is drawn with a probability proportional to its distance to the others."""
    norms = np.diag(correlation)
    chosen = [int(rng.integers(len(correlation)))]
    distance = norms + norms[chosen[0]] - 2 * correlation[chosen[0]]
    while len(chosen) < clusters:
        probability = distance.clip(0)
        probability[chosen] = 0
        if probability.sum() <= 0:  # All other points coincide with chosen ones.
            probability[np.setdiff1d(np.arange(len(probability)), chosen)] = 1
        point = int(rng.choice(len(correlation), p=probability / probability.sum()))
        chosen.append(point)
        distance = np.minimum(distance, norms + norms[point] - 2 * correlation[point])
    return chosen


def _renumbered(labels: Ints, clusters: int) -> Ints:
    _, first = np.unique(labels, return_index=True)
    rank = np.empty(clusters, np.int64)
    rank[np.argsort(first)] = np.arange(clusters)
    return rank[labels]
