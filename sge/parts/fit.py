"""Fits a part finder to a few labelled images; the network learns nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from sge.analysis.analysis import Analysis
from sge.arrays import Array
from sge.errors import FinderError
from sge.images.decode import DecodedImage, Source, decode
from sge.lens.lens import Lens
from sge.parts.find import Peak, clipped, grid_of, mixed, peaks, resampled
from sge.parts.finder import PARTS, Finder, GroupWeight, Readout
from sge.parts.objective import solve, target

COARSEST_STRIDE, FINEST_STRIDE = 32, 16
"""Blocks of these strides, in pixels a cell, may enter a mix: finer ones answer to texture, not to parts."""
FOLDS = 5
FAR = 0.25
"""Where no image without the part is given, the best peak this far from it stands for one."""
THRESHOLD = 0.5
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Example:
    """An image with its parts."""

    image: Source | DecodedImage
    points: dict[str, Points]
    """Part (``nose``, ``eye``) to (x, y) in pixels of the upright image. An empty list: it shows none.
    A part that is not named: nobody looked for it, and the image is no example of it."""
    name: str = "an image"
    """For messages."""


@dataclass
class Sight:
    """What fitting needs of an analysed image."""

    analysis: Analysis
    maps: dict[str, Array]
    """Block name to clipped similarity (G, h, w)."""
    grid: tuple[int, int]
    features: Array
    """(all groups, places of the grid), float32."""
    points: dict[str, Points]
    peaks: dict[str, list[Peak]] = field(default_factory=dict)


def fit_parts(
    lens: Lens,
    examples: Iterable[Example],
    *,
    fitted_on: str = "not stated",
    track: Callable[[list[Example]], Iterable[Example]] = iter,
) -> Finder:
    """A finder from labelled images; five give a usable one, images without the part sharpen its threshold.

    Args:
        lens: The model; its gates may sleep.
        examples: Images with points by part.
        fitted_on: For the finder's file, in words.
        track: Wraps the list of examples, for a progress bar.

    Returns:
        A finder of every part that an example shows. It belongs to this model's order of channels.

    Raises:
        FinderError: no examples, an unknown part, a point outside its image.
        ImageError: an image cannot be used.
    """
    return finder_of(lens, see(lens, examples, track), fitted_on)


def see(
    lens: Lens, examples: Iterable[Example], track: Callable[[list[Example]], Iterable[Example]] = iter
) -> list[Sight]:
    """Analyses the examples, ``whole``, in their order.

    Raises:
        FinderError, ImageError: as ``fit_parts``.
    """
    listed = list(examples)
    if not any(points for one in listed for points in one.points.values()):
        raise FinderError(
            "There is no example that shows a part. Give images with points: five labelled ones are a start."
        )
    return [_sight(lens, one) for one in track(listed)]


def _sight(lens: Lens, example: Example) -> Sight:
    image = example.image if isinstance(example.image, DecodedImage) else decode(example.image)
    for part, points in example.points.items():
        if part not in PARTS:
            raise FinderError(f"{example.name}: there is no part {part!r}; label {' or '.join(PARTS)}.")
        for x, y in points:
            if not (0 <= x <= image.width and 0 <= y <= image.height):
                raise FinderError(
                    f"{example.name}: the {part} at ({x:g}, {y:g}) lies outside the image, which has "
                    f"{image.width} x {image.height} pixels. Give pixels of the upright image."
                )
    analysis = lens.analyze(image)
    analysis.image = None  # Hundreds of images need not stay in memory.
    blocks = [b.name for b in analysis.blocks if FINEST_STRIDE <= b.stride <= COARSEST_STRIDE]
    blocks = blocks or [b.name for b in analysis.blocks]
    maps = {name: clipped(analysis.similarity[name]) for name in blocks}
    grid = grid_of(analysis, blocks, finer=1)
    features = np.concatenate([resampled(one, grid) for one in maps.values()])
    return Sight(analysis, maps, grid, features.reshape(len(features), -1), example.points)


def finder_of(lens: Lens, sights: Sequence[Sight], fitted_on: str = "not stated") -> Finder:
    """As ``fit_parts``, of images that are already seen."""
    readouts = {}
    for part in PARTS:
        if any(sight.points.get(part) for sight in sights):
            readouts[part] = fit_readout(sights, part)
    pre = lens.model.preprocess
    return Finder(readouts, lens.model.permutations, fitted_on, pre.whole or pre.size)


def fit_readout(sights: Sequence[Sight], part: str) -> Readout:
    """The mix of one part, with scale and bias such that 0.5 tells images with it from images without.

    What tells them apart is learned on mixes that have not seen the image, in ``FOLDS`` folds.
    """
    shown = [sight for sight in sights if sight.points.get(part)]
    absent = [sight for sight in sights if part in sight.points and not sight.points[part]]
    with_part, without = [], []
    folds = min(FOLDS, len(shown))
    for fold in range(folds if len(shown) > 1 else 0):
        weights = _weights(
            [one for i, one in enumerate(shown) if i % folds != fold],
            [one for i, one in enumerate(absent) if i % folds != fold],
            part,
        )
        for one in shown[fold::folds]:
            found = peaks(one.analysis, _map(one, weights))
            with_part.append(found[0].logit)
            if not absent:
                without.append(max((p.logit for p in found if _far(one, part, p)), default=0.0))
        without += [peaks(one.analysis, _map(one, weights))[0].logit for one in absent[fold::folds]]
    weights = _weights(shown, absent, part)
    if not with_part:  # a single example: half of its own peak
        top = peaks(shown[0].analysis, _map(shown[0], weights))[0].logit
        with_part, without = [top], [0.0]
    slope, bias = _line(with_part, without)
    return Readout(tuple(_shares(shown[0], weights)), slope * float(weights.sum()), bias, THRESHOLD)


def _weights(sights: Sequence[Sight], absent: Sequence[Sight], part: str) -> Array:
    targets = [target(one.grid, _in_window(one, part), _window_size(one)) for one in sights]
    weights = solve([one.features for one in sights], targets, [one.features for one in absent])
    if not weights.any():
        raise FinderError(
            f"No group answers to the {part} of these images. Check the points, or give more images."
        )
    return weights


def _in_window(sight: Sight, part: str) -> npt.NDArray[np.float64]:
    window = sight.analysis.geometry.window
    return np.asarray(sight.points[part], np.float64) - [window.left, window.top]


def _window_size(sight: Sight) -> tuple[float, float]:
    window = sight.analysis.geometry.window
    return window.right - window.left, window.bottom - window.top


def _shares(sight: Sight, weights: Array) -> list[GroupWeight]:
    names: list[tuple[str, int]] = [
        (block, group) for block, maps in sight.maps.items() for group in range(len(maps))
    ]
    total = float(weights.sum())
    kept = [i for i in np.argsort(-weights, kind="stable") if weights[i] > 0]
    return [GroupWeight(names[i][0], names[i][1], float(weights[i]) / total) for i in kept]


def _map(sight: Sight, weights: Array) -> Array:
    return float(weights.sum()) * mixed(
        sight.maps, _shares(sight, weights), grid_of(sight.analysis, sight.maps)
    )


def _far(sight: Sight, part: str, peak: Peak) -> bool:
    distances = [np.hypot(peak.x - x, peak.y - y) for x, y in sight.points[part]]
    return bool(min(distances) > FAR * min(sight.analysis.geometry.image))


def _line(with_part: list[float], without: list[float]) -> tuple[float, float]:
    """Slope and bias of a logistic curve over peak heights; both sides weigh the same."""
    heights = np.array(with_part + without)[:, None]
    spread = float(heights.std()) or 1.0
    curve = LogisticRegression(class_weight="balanced")
    curve.fit(heights / spread, [1] * len(with_part) + [0] * len(without))
    # Never negative: where heights do not tell anything, the map is still highest at its peak.
    slope = max(float(curve.coef_[0, 0]), 0.1) / spread
    return slope, -float(curve.intercept_[0])
