"""The result of a faithfulness measurement, and how the figures of single images make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sge.evaluation.intervals import Interval, mean_interval
from sge.evaluation.saliency import BASELINES, EXPLANATIONS

MEASURES = ("insertion", "deletion", "drop", "increase", "pointing")
RANDOMIZED = "randomized_"
"""Begins the names of maps that come from the network with random weights."""
TITLES = (
    EXPLANATIONS
    | BASELINES
    | {RANDOMIZED + name: f"{title}, random weights" for name, title in EXPLANATIONS.items()}
)
"""Name of every method to its name for people."""

Record = dict[str, Any]
"""Figures of one image: ``image``, ``target``, ``full``, ``empty``, ``chance``, and ``methods`` by name."""


@dataclass(frozen=True)
class Method:
    """One row of the table: figures of one kind of map, as means over images."""

    name: str
    """A key of ``TITLES``."""
    title: str
    insertion: Interval | None
    """Area under the insertion curve, larger is better; None without curves. ``deletion``: smaller is better."""
    deletion: Interval | None
    drop: Interval | None
    """Average drop of the probability on the masked image, 0 to 1; smaller is better."""
    increase: Interval | None
    """Share of images whose masked version has a higher probability; larger is better."""
    pointing: Interval | None
    """Share of images whose largest cell lies in the box, larger is better; None without boxes."""
    images: int
    """Number of images that the map was measured on."""
    constant: int
    """Number of them whose map is constant, for which the random map stands in."""
    against_grad_cam: dict[str, Interval]
    """Measure to the mean difference from Grad-CAM on the same images; a value below 0 means a lower figure."""
    against_random: dict[str, Interval]
    """The same for the random map."""


@dataclass(frozen=True)
class Faithfulness:
    """Faithfulness of every kind of map on one set of images, with the protocol."""

    images: int
    block: str
    """The block whose groups are measured."""
    framing: str
    size: int
    """Shorter side of the input, in pixels."""
    steps: int | None
    """Steps of a curve; None without curves."""
    seed: int
    sets: list[str]
    """Names of the folders and archives."""
    full: Interval
    """Probability of the predicted class on the image."""
    empty: Interval
    """The same on the baseline, the blurred image."""
    methods: list[Method]
    chance: Interval | None
    """Share of the input that the boxes cover, which a uniformly random point hits; None without boxes."""
    without_box: int
    """Images that have no box, or none that the network sees; the pointing game leaves them out."""
    skipped: int
    """Number of images that cannot be read and were left out."""
    broken: dict[str, str]
    """Paths of these images, and of folders and links that cannot be read, with the reasons."""
    not_images: dict[str, str]
    """Paths of files that are no images, and of folders that systems make, with the reasons."""
    notes: dict[str, list[str]]
    """Paths of images about which the decoder says something, with its sentences."""


def methods_of(records: Sequence[Record], seed: int) -> list[Method]:
    """The rows of the table.

    Args:
        records: Figures of the images. Those of random weights may be missing in some.
        seed: Of the intervals.
    """
    names = [name for name in TITLES if any(name in record["methods"] for record in records)]
    found = {name: [record["methods"].get(name, {}) for record in records] for name in names}
    columns = {
        name: {measure: [figures.get(measure) for figures in found[name]] for measure in MEASURES}
        for name in names
    }
    return [
        Method(
            name=name,
            title=TITLES[name],
            **{measure: mean_interval(columns[name][measure], seed) for measure in MEASURES},
            images=sum(bool(figures) for figures in found[name]),
            constant=sum(figures.get("constant", False) for figures in found[name]),
            against_grad_cam=_differences(columns[name], columns["grad_cam"], seed),
            against_random=_differences(columns[name], columns["random"], seed),
        )
        for name in names
    ]


def column_interval(records: Sequence[Record], key: str, seed: int) -> Interval | None:
    """Mean of one figure of the images themselves; None if no image has it."""
    return mean_interval([record[key] for record in records], seed)


Columns = dict[str, list[float | None]]


def _differences(ours: Columns, other: Columns, seed: int) -> dict[str, Interval]:
    """Paired differences; nothing for the reference itself."""
    found = {}
    for measure in MEASURES if ours is not other else ():
        pairs = zip(ours[measure], other[measure], strict=True)
        values = [a - b if a is not None and b is not None else None for a, b in pairs]
        if (interval := mean_interval(values, seed)) is not None:
            found[measure] = interval
    return found
