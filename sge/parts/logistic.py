"""The convex problem behind a detector: logistic regression over positions, weights of either sign, an L2 penalty."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sge.arrays import Array, Float64Array

MAX_ITERATIONS = 80


def fit_logistic(
    rows: npt.NDArray[np.floating],
    labels: npt.NDArray[np.bool_],
    weights: Array,
    decay: float,
    *,
    non_negative: bool = False,
) -> tuple[Array, float]:
    """Weights and bias that minimize ``sum(weights * log loss) + penalty``, by L-BFGS-B.

    The penalty is ``decay / 2`` times the sum of squares; with ``non_negative`` it is ``decay`` times the sum, which
    leaves most weights at 0. The bias is not penalized.

    Args:
        rows: (N, F), float32.
        labels: (N,).
        weights: (N,), float32, of each row's loss.
        decay: Above 0.
        non_negative: Weights of at least 0 alone.

    Returns:
        (F,), float32, and the bias.
    """
    from scipy.optimize import minimize

    table = np.ascontiguousarray(rows, np.float32)
    target = labels.astype(np.float32)

    def loss(variables: Float64Array) -> tuple[float, Float64Array]:
        free, bias = variables[:-1].astype(np.float32), np.float32(variables[-1])
        logits = table @ free + bias
        value = float(weights @ (np.logaddexp(np.float32(0), logits) - target * logits))
        residual = weights * (_expit(logits) - target)
        gradient = residual @ table
        if non_negative:
            value, gradient = value + decay * float(free.sum()), gradient + np.float32(decay)
        else:
            value, gradient = value + decay / 2 * float(free @ free), gradient + np.float32(decay) * free
        return value, np.append(gradient.astype(np.float64), float(residual.sum()))

    free = table.shape[1]
    result = minimize(
        loss,
        np.append(np.zeros(free), -2.0),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * free + [(None, None)] if non_negative else None,
        options={"maxiter": MAX_ITERATIONS, "maxcor": 20},
    )
    return np.asarray(result.x[:-1], np.float32), float(result.x[-1])


def _expit(logits: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), np.float32)
