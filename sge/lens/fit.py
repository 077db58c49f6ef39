"""Whether any class of a model fits an image, from a score whose threshold was measured and is on the model's card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sge.analysis import Fit
from sge.arrays import Array
from sge.errors import ChoiceError
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


def readout_inputs(logits: Array) -> Array:
    """What the score ``readout`` weighs: the logits, their largest, their energy, their mean and their deviation.

    Args:
        logits: (..., classes), before any temperature.

    Returns:
        (..., classes + 4), float32; the deviation is that of all classes, not an estimate for more.
    """
    logits = np.asarray(logits, np.float32)
    figures = [logits.max(-1), logsumexp(logits), logits.mean(-1), logits.std(-1)]
    return np.concatenate([logits, np.stack(figures, -1)], -1)


def fit_score(none_fits: NoneFits, logits: Array) -> Array:
    """The score of a card's threshold, (...), from logits (..., classes) before any temperature.

    Raises:
        ChoiceError: the card's weights are those of another number of classes.
    """
    if none_fits.weights is None:
        return fit_scores(logits)[none_fits.score]
    inputs, weights = readout_inputs(logits), np.array(none_fits.weights, np.float32)
    if inputs.shape[-1] != len(weights):
        raise ChoiceError(
            f"A card's none_fits has {len(weights)} weights; {inputs.shape[-1] - 4} classes need {inputs.shape[-1]}. "
            "Correct the card."
        )
    score: Array = inputs @ weights
    return score


def find_fit(none_fits: NoneFits | None, logits: Array, framing: str) -> Fit | None:
    """Compares an image's score with the threshold of the model's card.

    Args:
        none_fits: Of the card; None if it has no threshold.
        logits: (classes,), before any temperature.
        framing: Of the image.

    Returns:
        None without a threshold for the framing.

    Raises:
        ChoiceError: as ``fit_score``.
    """
    if none_fits is None or framing not in none_fits.threshold:
        return None
    score, threshold = float(fit_score(none_fits, logits)), none_fits.threshold[framing]
    return Fit(fits=score >= threshold, score=score, threshold=threshold, sentence=none_fits.sentence)
