"""Means over images with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

RESAMPLES = 2000
CONFIDENCE = 0.95
MAX_DRAWN = 4_000_000
"""Numbers that are drawn at a time: 64 MB, with their indices."""


@dataclass(frozen=True)
class Interval:
    """A mean over images, with the interval that resampling the images gives."""

    value: float
    low: float | None
    """Lower end of the 95 % interval; None for fewer than two images. ``high`` likewise."""
    high: float | None
    images: int
    """Number of images in the mean."""


def mean_interval(values: Sequence[float | None], seed: int = 0) -> Interval | None:
    """Mean of one figure per image, with a 95 % percentile interval of 2000 bootstrap resamples of the images.

    For a paired comparison of two measurements, pass the differences of each image.

    Args:
        values: One figure per image; None where an image has none, which leaves it out.
        seed: Of the resampling; the same seed repeats the interval.

    Returns:
        None if no image has a figure.
    """
    figures = np.array([value for value in values if value is not None], np.float64)
    if not len(figures):
        return None
    mean = float(figures.mean())
    if len(figures) < 2:
        return Interval(mean, None, None, len(figures))
    found = bootstrap(
        (figures,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        batch=max(1, MAX_DRAWN // len(figures)),
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), len(figures))
