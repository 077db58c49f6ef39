"""Probabilities of logits."""

from __future__ import annotations

import numpy as np

from sge.arrays import Array


def softmax(logits: Array) -> Array:
    """Probabilities that sum to 1 over the last axis.

    Args:
        logits: (..., classes), float32, finite.

    Returns:
        The same shape, float32.
    """
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities: Array = powers / powers.sum(-1, keepdims=True)
    return probabilities


def logsumexp(logits: Array) -> Array:
    """The logarithm of the sum of exp(logits) over the last axis.

    Args:
        logits: (..., classes), float32, finite.

    Returns:
        (...), float32.
    """
    largest = logits.max(-1)
    summed: Array = largest + np.log(np.exp(logits - largest[..., None]).sum(-1))
    return summed
