"""How well parts are found: cross-validated hits, and whether an image shows the part at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sge.parts.find import grid_of, mixed, peaks
from sge.parts.finder import PARTS, GroupWeight, Readout
from sge.parts.fit import Sight, fit_readout

FOLDS = 5
WITHIN = (0.1, 0.067, 0.05)
"""A hit: the map's highest peak is this near the nearest labelled point, as a fraction of the shorter side."""
RESAMPLES = 2000
Fit = Callable[[Sequence[Sight], str], Readout]


@dataclass(frozen=True)
class Rate:
    """A share of images, with the 95 % interval of a bootstrap over images."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """One part on one choice of images."""

    part: str
    images: str
    """``all`` or ``sure``: with or without those that the labeller doubted."""
    shown: int
    """Images that show the part."""
    hits: dict[str, Rate]
    """By distance."""
    absent: int
    """Images that do not."""
    auc: float | None
    """Area under the ROC curve of the highest peak: shown against absent."""
    missed: float
    """Of the images that show it: no peak reaches the threshold."""
    false_alarms: float | None
    """Of the images that do not: a peak does."""
    groups: float
    """In a mix, on average."""


@dataclass(frozen=True)
class _Seen:
    distance: float
    height: float
    passes: bool


def evaluate_parts(
    sights: Sequence[Sight], unsure: Sequence[bool], seed: int = 0, fit: Fit = fit_readout
) -> list[Measured]:
    """Cross-validation over images: mix, scale and threshold of each fold come from the other four.

    Args:
        sights: From ``sge.fit_parts.see``.
        unsure: Which of them the labeller doubted.
        seed: Of the folds and the bootstrap.
        fit: Makes a mix.
    """
    fold = np.arange(len(sights)) % FOLDS
    np.random.RandomState(seed).shuffle(fold)
    rows = []
    for part in PARTS:
        if not any(one.points.get(part) for one in sights):
            continue
        seen: dict[int, _Seen] = {}
        sizes = []
        for held_out in range(FOLDS):
            mix = fit([one for one, f in zip(sights, fold, strict=True) if f != held_out], part)
            sizes.append(len(mix.terms))
            seen |= {
                i: judge(one, part, mix)
                for i, one in enumerate(sights)
                if fold[i] == held_out and part in one.points
            }
        for images in ("all", "sure"):
            chosen = [i for i in seen if images == "all" or not unsure[i]]
            shown = [seen[i] for i in chosen if sights[i].points[part]]
            absent = [seen[i] for i in chosen if not sights[i].points[part]]
            rows.append(_row(part, images, shown, absent, float(np.mean(sizes)), seed))
    return rows


def judge(sight: Sight, part: str, mix: Readout) -> _Seen:
    """The highest peak of a mix in an image."""
    shape = grid_of(sight.analysis, sight.maps)
    logits = mix.scale * mixed(sight.maps, mix.terms, shape) - np.float32(mix.bias)
    top = peaks(sight.analysis, logits)[0]
    shorter = min(sight.analysis.geometry.image)
    distances = [np.hypot(top.x - x, top.y - y) / shorter for x, y in sight.points[part]]
    limit = np.log(mix.threshold / (1 - mix.threshold))
    return _Seen(float(min(distances, default=np.nan)), top.logit, bool(top.logit >= limit))


def few_shot_hit_rate(
    sights: Sequence[Sight], count: int, draws: int = 10, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Hits of mixes from only a few labelled images, on all the others; the mean of several draws.

    Returns:
        Part to distance to share of images; without the parts that no more than ``count`` images show.
    """
    found = {}
    for part in PARTS:
        shown = [one for one in sights if one.points.get(part)]
        if len(shown) <= count:
            continue
        distances: list[float] = []
        for draw in range(draws):
            order = np.random.RandomState(seed + draw).permutation(len(shown))
            mix = fit_readout([shown[i] for i in order[:count]], part)
            distances += [judge(shown[i], part, mix).distance for i in order[count:]]
        found[part] = {str(limit): float(np.mean(np.array(distances) <= limit)) for limit in WITHIN}
    return found


def best_group(sights: Sequence[Sight], part: str) -> Readout:
    """The single group whose highest place is most often within 0.1 of the part: a baseline to compare with."""
    shown = [one for one in sights if one.points.get(part)]
    hits = np.mean([_hits(one, part) for one in shown], axis=0)
    names = [(block, group) for block, maps in shown[0].maps.items() for group in range(len(maps))]
    block, group = names[int(np.argmax(hits))]
    return Readout((GroupWeight(block, group, 1.0),), 1.0, 0.0, 0.5)


def _hits(sight: Sight, part: str) -> npt.NDArray[np.float64]:
    rows, cols = sight.grid
    width, height = sight.analysis.geometry.image
    at = sight.features.argmax(1)
    x, y = (at % cols + 0.5) / cols * width, (at // cols + 0.5) / rows * height
    near = np.min([np.hypot(x - a, y - b) for a, b in sight.points[part]], axis=0)
    return np.asarray(near <= WITHIN[0] * min(width, height), np.float64)


def _row(
    part: str, images: str, shown: list[_Seen], absent: list[_Seen], groups: float, seed: int
) -> Measured:
    distances = np.array([one.distance for one in shown])
    heights = np.array([one.height for one in shown]), np.array([one.height for one in absent])
    beaten = (heights[0][:, None] > heights[1]) + 0.5 * (heights[0][:, None] == heights[1])
    return Measured(
        part=part,
        images=images,
        shown=len(shown),
        hits={str(limit): rate(distances <= limit, seed) for limit in WITHIN},
        absent=len(absent),
        auc=float(beaten.mean()) if len(absent) else None,
        missed=float(np.mean([not one.passes for one in shown])),
        false_alarms=float(np.mean([one.passes for one in absent])) if absent else None,
        groups=groups,
    )


def rate(hits: npt.NDArray[np.bool_], seed: int = 0) -> Rate:
    """Share of True with its bootstrap interval."""
    draws = np.random.RandomState(seed).randint(0, len(hits), (RESAMPLES, len(hits)))
    low, high = np.quantile(hits[draws].mean(1), (0.025, 0.975))
    return Rate(float(hits.mean()), float(low), float(high))
