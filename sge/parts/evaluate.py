"""Measures how well parts are found: cross-validated localization, and detection of images that show the part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sge.arrays import Float64Array
from sge.parts.find import passes
from sge.parts.finder import PARTS, GroupWeight, Readout
from sge.parts.fit import FOLDS, LabelledMaps, fit_readout, readout_peaks

WITHIN = (0.1, 0.067, 0.05)
"""Distances of a hit, as fractions of the shorter side: the highest peak is this near the nearest labelled point."""
RESAMPLES = 2000
MAX_DRAWN = 4_000_000
"""Numbers that a bootstrap draws at a time: 64 MB, with their indices."""
Fit = Callable[[Sequence[LabelledMaps], str], Readout]


@dataclass(frozen=True)
class Rate:
    """A share of images, with the 95 % interval of a bootstrap over images."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PartEvaluation:
    """Figures of one part on a choice of images."""

    part: str
    images: str
    """``all``, or ``sure``: without the images that the labeller doubted."""
    shown: int
    """Number of images that show the part."""
    hits: dict[str, Rate]
    """By distance; see ``WITHIN``."""
    absent: int
    """Number of images that do not show the part."""
    auc: float | None
    """Area under the ROC curve of the highest peak, images with against images without the part."""
    missed: float
    """Share of the images that show the part in which no peak reaches the threshold."""
    false_alarms: float | None
    """Share of the images that do not show the part in which a peak reaches the threshold."""
    groups: float
    """Mean number of groups in a readout."""


@dataclass(frozen=True)
class TopPeak:
    """The highest peak of a readout in one image."""

    distance: float
    """To the nearest labelled point, as a fraction of the shorter side; NaN without one."""
    logit: float
    passes: bool
    """Whether it reaches the threshold."""


def evaluate_parts(
    images: Sequence[LabelledMaps], unsure: Sequence[bool], seed: int = 0, fit: Fit = fit_readout
) -> list[PartEvaluation]:
    """Cross-validation over images: weights, scale and threshold for a fold come from the other folds.

    Args:
        images: Labelled, of one model.
        unsure: Which of them the labeller doubted.
        seed: Of the folds and of the bootstrap.
        fit: Makes a readout.

    Returns:
        For each part a row of all images, and one of those that the labeller did not doubt if they show the part. A part
        that the images of one fold alone show has none, because no readout can be fitted to the others.
    """
    from sklearn.model_selection import PredefinedSplit

    # Not KFold, whose shuffle gives other folds: the figures in shipped finders are of these.
    folds = np.arange(len(images)) % FOLDS
    np.random.RandomState(seed).shuffle(folds)
    rows = []
    for part in PARTS:
        if len({int(folds[i]) for i, image in enumerate(images) if image.points.get(part)}) < 2:
            continue
        top: dict[int, TopPeak] = {}
        sizes = []
        for train, held_out in PredefinedSplit(folds).split():
            readout = fit([images[i] for i in train], part)
            sizes.append(len(readout.terms))
            top |= {int(i): top_peak(images[i], part, readout) for i in held_out if part in images[i].points}
        for choice in ("all", "sure"):
            chosen = [i for i in top if choice == "all" or not unsure[i]]
            shown = [top[i] for i in chosen if images[i].points[part]]
            absent = [top[i] for i in chosen if not images[i].points[part]]
            if shown:
                rows.append(_row(part, choice, shown, absent, float(np.mean(sizes)), seed))
    return rows


def top_peak(image: LabelledMaps, part: str, readout: Readout) -> TopPeak:
    """The highest peak of a readout in an image, compared with the labelled points of the part."""
    top = readout_peaks(image, readout)[0]
    shorter = min(image.geometry.image)
    distances = [np.hypot(top.x - x, top.y - y) / shorter for x, y in image.points[part]]
    return TopPeak(float(min(distances, default=np.nan)), top.logit, passes(top, readout))


def few_shot_hit_rate(
    images: Sequence[LabelledMaps], count: int, draws: int = 10, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Hit rate of readouts from ``count`` labelled images on all the others; the mean of several draws.

    Returns:
        Part to distance to share of images, for the parts that more than ``count`` images show.
    """
    rates = {}
    for part in PARTS:
        shown = [image for image in images if image.points.get(part)]
        if len(shown) <= count:
            continue
        distances: list[float] = []
        for draw in range(draws):
            shuffled = np.random.RandomState(seed + draw).permutation(len(shown))
            readout = fit_readout([shown[i] for i in shuffled[:count]], part)
            distances += [top_peak(shown[i], part, readout).distance for i in shuffled[count:]]
        rates[part] = {str(limit): float(np.mean(np.array(distances) <= limit)) for limit in WITHIN}
    return rates


def best_group(images: Sequence[LabelledMaps], part: str) -> Readout:
    """Baseline: the single group whose maximum is most often within 0.1 of the part."""
    shown = [image for image in images if image.points.get(part)]
    hit_rates = np.mean([_group_hits(image, part) for image in shown], axis=0)
    names = [(block, group) for block, maps in shown[0].maps.items() for group in range(len(maps))]
    block, group = names[int(np.argmax(hit_rates))]
    return Readout((GroupWeight(block, group, 1.0),), 1.0, 0.0, 0.5)


def rate(hits: npt.NDArray[np.bool_], seed: int = 0) -> Rate:
    """Share of True, with the percentile interval of a bootstrap (95 %, ``RESAMPLES`` resamples).

    Args:
        hits: (images,), at least one.
        seed: Of the bootstrap.
    """
    from scipy.stats import bootstrap

    share = float(hits.mean())
    if len(hits) == 1:  # SciPy needs two observations.
        return Rate(share, share, share)
    interval = bootstrap(
        (hits,),
        np.mean,
        n_resamples=RESAMPLES,
        method="percentile",
        batch=max(1, MAX_DRAWN // len(hits)),
        random_state=np.random.RandomState(seed),
    ).confidence_interval
    return Rate(share, float(interval.low), float(interval.high))


def _group_hits(image: LabelledMaps, part: str) -> Float64Array:
    rows, cols = image.grid
    left, top, right, bottom = image.geometry.window
    width, height = image.geometry.image
    at = image.features.argmax(1)
    x = left + (at % cols + 0.5) / cols * (right - left)
    y = top + (at // cols + 0.5) / rows * (bottom - top)
    near = np.min([np.hypot(x - a, y - b) for a, b in image.points[part]], axis=0)
    return np.asarray(near <= WITHIN[0] * min(width, height), np.float64)


def _row(
    part: str, choice: str, shown: list[TopPeak], absent: list[TopPeak], groups: float, seed: int
) -> PartEvaluation:
    distances = np.array([peak.distance for peak in shown])
    return PartEvaluation(
        part=part,
        images=choice,
        shown=len(shown),
        hits={str(limit): rate(distances <= limit, seed) for limit in WITHIN},
        absent=len(absent),
        auc=_auc(shown, absent),
        missed=float(np.mean([not peak.passes for peak in shown])),
        false_alarms=float(np.mean([peak.passes for peak in absent])) if absent else None,
        groups=groups,
    )


def _auc(shown: list[TopPeak], absent: list[TopPeak]) -> float | None:
    from sklearn.metrics import roc_auc_score

    if not absent:
        return None
    logits = [peak.logit for peak in (*shown, *absent)]
    return float(roc_auc_score([1] * len(shown) + [0] * len(absent), logits))
