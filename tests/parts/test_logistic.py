"""The convex problem of a detector against scikit-learn, and its conditions of optimality."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from sge.parts.logistic import fit_logistic


@pytest.fixture
def problem():
    rs = np.random.RandomState(0)
    rows = rs.standard_normal((400, 12)).astype(np.float32)
    labels = rows @ rs.standard_normal(12) + rs.standard_normal(400) > 1
    weights = rs.uniform(0.1, 1, 400).astype(np.float32)
    return rows, labels, weights / weights.sum()


@pytest.mark.parametrize("decay", [0.003, 0.03, 0.3])
def test_weights_of_either_sign_are_those_of_scikit_learn(problem, decay):
    rows, labels, weights = problem
    found, bias = fit_logistic(rows, labels, weights, decay)
    reference = LogisticRegression(C=1 / decay, tol=1e-8, max_iter=5000).fit(
        rows, labels, sample_weight=weights
    )
    assert found == pytest.approx(reference.coef_[0], abs=2e-3)
    assert bias == pytest.approx(reference.intercept_[0], abs=2e-3)
    assert (found < 0).any()


def test_sparse_weights_are_optimal(problem):
    rows, labels, weights = problem
    decay = 0.02
    found, bias = fit_logistic(rows, labels, weights, decay, non_negative=True)
    gradient = (weights * (expit(rows @ found + bias) - labels)) @ rows + decay
    assert (found >= 0).all()
    assert 0 < (found > 0).sum() < 12
    # Karush-Kuhn-Tucker: no slope where a weight is free, none that would lower the loss where it is 0.
    assert gradient[found > 1e-3] == pytest.approx(0, abs=1e-3)
    assert (gradient[found == 0] > -1e-3).all()


def test_half_precision_rows_and_rows_without_weight(problem):
    rows, labels, weights = problem
    exact, _ = fit_logistic(rows, labels, weights, 0.03)
    half, _ = fit_logistic(rows.astype(np.float16), labels, weights, 0.03)
    assert half == pytest.approx(exact, abs=1e-2)
    ignored = (
        np.concatenate([rows, 100 + rows]),
        np.concatenate([labels, ~labels]),
        np.concatenate([weights, 0 * weights]),
    )
    assert fit_logistic(*ignored, 0.03)[0] == pytest.approx(exact, abs=1e-3)
