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


def class_probabilities(logits: Array) -> Array:
    """Probability of each class: softmax, or for a network with a single logit its sigmoid.

    A network with one logit separates its one class from the rest; a softmax would be 1 for every image.

    Args:
        logits: (..., classes), float32, finite.

    Returns:
        The same shape, float32.
    """
    if logits.shape[-1] != 1:
        return softmax(logits)
    with_rest = np.concatenate([logits, np.zeros_like(logits)], -1)
    return softmax(with_rest)[..., :1]


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
