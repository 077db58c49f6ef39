"""Whether any class of a model fits an image, from a score whose threshold was measured and is on the model's card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sge.analysis import Fit
from sge.arrays import Array
from sge.lens.probabilities import logsumexp, softmax

if TYPE_CHECKING:
    from sge.models import NoneFits


def fit_scores(logits: Array) -> dict[str, Array]:
    """Scores that are larger for images that a class fits.

    Args:
        logits: (..., classes), before any temperature.

    Returns:
        By name, (...): ``max_probability``, the baseline of Hendrycks and Gimpel (ICLR 2017); ``max_logit``
        (Hendrycks et al., ICML 2022); ``energy``, the negative energy of Liu et al. (NeurIPS 2020), at temperature 1;
        ``negative_entropy`` of the probabilities, in nats.
    """
    logits = np.asarray(logits, np.float32)
    probabilities, energy = softmax(logits), logsumexp(logits)
    return {
        "max_probability": probabilities.max(-1),
        "max_logit": logits.max(-1),
        "energy": energy,
        "negative_entropy": (probabilities * (logits - energy[..., None])).sum(-1),
    }


def find_fit(none_fits: NoneFits | None, logits: Array, framing: str) -> Fit | None:
    """Compares an image's score with the threshold of the model's card.

    Args:
        none_fits: Of the card; None if it has no threshold.
        logits: (classes,), before any temperature.
        framing: Of the image.

    Returns:
        None without a threshold for the framing.
    """
    if none_fits is None or framing not in none_fits.threshold:
        return None
    score, threshold = float(fit_scores(logits)[none_fits.score]), none_fits.threshold[framing]
    return Fit(fits=score >= threshold, score=score, threshold=threshold, sentence=none_fits.sentence)
