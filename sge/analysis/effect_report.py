"""What an ablation did to the classes that matter: the table of the command line and the JSON of the REST API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sge.analysis.effect import Ablation
from sge.analysis.prediction import Prediction
from sge.arrays import Array
from sge.errors import AnalysisFileError

MIN_QUANTILE_DRAWS = 40
"""From this number of draws, ``lo`` and ``hi`` are quantiles: below it, 0.025 lies beyond the smallest draw."""
QUANTILES = (0.025, 0.975)


@dataclass(frozen=True)
class ControlScores:
    """Probabilities of one class with random groups ablated in place of the chosen ones."""

    mean: float
    lo: float
    """The smallest of ``values``; their quantile 0.025 if there are 40 or more."""
    hi: float
    """The largest of ``values``; their quantile 0.975 if there are 40 or more."""
    values: list[float]
    """One probability for each draw."""


@dataclass(frozen=True)
class ClassEffect:
    """What an ablation did to one class."""

    label: str
    index: int
    before: float
    """Probability of the unchanged network, as ``Prediction.score``."""
    after: float
    """Probability with the groups ablated."""
    change: float
    """``after - before``: below 0 if the groups raise the probability."""
    logit_before: float
    logit_after: float
    logit_change: float
    """``logit_after - logit_before``: the opposite of the groups' effect on the logit."""
    controls: ControlScores | None
    """None if no random groups were drawn."""


def class_effects(ablation: Ablation, targets: Iterable[int] = (), top_k: int = 5) -> list[ClassEffect]:
    """The classes that an ablation is about: the best before, then the best after, then the targets.

    Args:
        ablation: From ``Lens.ablate``.
        targets: Indices of further classes.
        top_k: Number of classes taken before, and after.

    Returns:
        Each class once.

    Raises:
        AnalysisFileError: a score is not finite.
    """
    chosen = [*_best(ablation.before, top_k), *_best(ablation.after, top_k), *targets]
    return [_class_effect(ablation, index) for index in dict.fromkeys(chosen)]


def ablation_report(ablation: Ablation, targets: Iterable[int] = (), top_k: int = 5) -> dict[str, Any]:
    """An ablation as JSON-ready data, with the classes of ``class_effects``.

    Returns:
        ``mode``, ``groups``, ``controls`` (the number of draws), ``seed``, ``predictions_before``,
        ``predictions_after`` and ``classes``. Numbers are the shortest that give the same float32.

    Raises:
        AnalysisFileError: a score is not finite.
    """
    return {
        "mode": ablation.mode,
        "groups": ablation.groups,
        "controls": len(ablation.controls),
        "seed": ablation.seed,
        "predictions_before": _predictions(ablation, ablation.before, ablation.logits_before, top_k),
        "predictions_after": _predictions(ablation, ablation.after, ablation.logits_after, top_k),
        "classes": [asdict(effect) for effect in class_effects(ablation, targets, top_k)],
    }


def short_numbers(values: Array | Sequence[np.float32], what: str) -> list[float]:
    """Float32 numbers for JSON, each the shortest decimal that gives the same float32 again.

    Args:
        values: Of one dimension, float32.
        what: What they are, for the message.

    Raises:
        AnalysisFileError: a number is not finite, which JSON cannot hold.
    """
    array = np.asarray(values, np.float32)
    if not np.isfinite(array).all():
        raise AnalysisFileError(
            f"{what}: a number is not finite, because the network's values exceed its precision. Use float32."
        )
    return [float(str(value)) for value in array]


def _best(scores: Array, top_k: int) -> list[int]:
    return [int(index) for index in np.argsort(-scores, kind="stable")[:top_k]]


def _class_effect(ablation: Ablation, index: int) -> ClassEffect:
    label = ablation.labels[index]
    before, after = ablation.before[index], ablation.after[index]
    logit_before, logit_after = ablation.logits_before[index], ablation.logits_after[index]
    changes = after - before, logit_after - logit_before
    numbers = short_numbers([before, after, logit_before, logit_after, *changes], label)
    return ClassEffect(
        label=label,
        index=index,
        before=numbers[0],
        after=numbers[1],
        change=numbers[4],
        logit_before=numbers[2],
        logit_after=numbers[3],
        logit_change=numbers[5],
        controls=_control_scores(ablation.controls[:, index], label),
    )


def _control_scores(values: Array, label: str) -> ControlScores | None:
    if not len(values):
        return None
    numbers = short_numbers(values, label)
    quantiles = QUANTILES if len(values) >= MIN_QUANTILE_DRAWS else (0.0, 1.0)
    mean, lo, hi = short_numbers([values.mean(dtype=np.float64), *np.quantile(values, quantiles)], label)
    return ControlScores(mean, lo, hi, numbers)


def _probabilities(logits: Array) -> Array:
    """The softmax of one image's logits; of a single logit its sigmoid, as for the scores."""
    # The rest, from which a network with one logit separates its class, has the logit 0.
    every = np.append(logits, 0.0) if len(logits) == 1 else logits
    powers = np.exp(every - every.max())
    found: Array = (powers / powers.sum())[: len(logits)]
    return found


def _predictions(ablation: Ablation, scores: Array, logits: Array, top_k: int) -> list[dict[str, Any]]:
    with np.errstate(invalid="ignore"):  # short_numbers refuses what is not finite
        raw = _probabilities(logits.astype(np.float64))
    best = _best(scores, top_k)
    return [
        asdict(Prediction(ablation.labels[index], score, index, raw_score))
        for index, score, raw_score in zip(
            best,
            short_numbers(scores[best], "predictions"),
            short_numbers(raw[best], "predictions"),
            strict=True,
        )
    ]
