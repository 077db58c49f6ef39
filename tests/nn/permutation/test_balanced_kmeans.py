"""k-means with clusters of equal size."""

from __future__ import annotations

import numpy as np
import pytest

from sge.nn.permutation.balanced_kmeans import balanced_clusters, cohesion


def planted(groups: int = 8, size: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlations of noisy copies of ``groups`` patterns, shuffled, and the pattern of each."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(groups), size))
    responses = rng.standard_normal((groups, 400))[truth] + 0.7 * rng.standard_normal((groups * size, 400))
    return np.corrcoef(responses), truth


def together(labels: np.ndarray) -> np.ndarray:
    return labels[:, None] == labels[None]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clusters_find_planted_groups(seed):
    correlation, truth = planted(seed=seed)
    labels, score = balanced_clusters(correlation, 8, seed)
    assert np.array_equal(together(labels), together(truth))
    assert score == pytest.approx(cohesion(correlation, truth, 8))


def test_clusters_have_equal_sizes_also_without_structure():
    rng = np.random.default_rng(0)
    for correlation in (np.zeros((24, 24)), np.ones((24, 24)), np.corrcoef(rng.standard_normal((24, 30)))):
        labels, _ = balanced_clusters(correlation, 8, 0)
        assert np.bincount(labels, minlength=8).tolist() == [3] * 8


def test_clusters_are_deterministic_and_numbered_by_first_member():
    correlation = np.corrcoef(np.random.default_rng(0).standard_normal((64, 50)))
    first, second = (balanced_clusters(correlation, 16, 3)[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert np.unique(first, return_index=True)[1].tolist() == sorted(np.unique(first, return_index=True)[1])
    assert not np.array_equal(first, balanced_clusters(correlation, 16, 4)[0])
