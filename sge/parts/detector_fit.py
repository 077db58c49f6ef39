"""Fits detectors to the maps of labelled images; no network is needed.

Positions of all images are sampled twice: at random for first readouts, and then also where these are wrongly high. The
weights of each fold's images come from the other folds, so that their peaks calibrate the confidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sge.arrays import Array
from sge.errors import FinderError
from sge.images import Geometry
from sge.parts.columns import Column, Maps, columns, grid_of, of_groups, weighted_maps
from sge.parts.finder import PARTS
from sge.parts.labelled_faces import Face, FacesImage
from sge.parts.logistic import fit_logistic
from sge.parts.samples import RANDOM, Samples, joined, label_cells, loss_weights, sample
from sge.parts.scales import PartLogits

FOLDS = 3
FIT_SIZES = (192, 256, 320, 416, 544)
"""Sizes of the input in the fit: more than a detector looks at, because they act as augmentation."""
FIRST_EVERY = 3
"""The first readouts, which only choose negative positions, come from every so many-th image."""
FIRST_RANDOM = 4 * RANDOM

Track = Callable[[Sequence[int]], Iterable[int]]
"""Wraps the numbers of the images, for a progress bar."""
Source = Callable[[int, Sequence[int]], Iterator[tuple[Maps, Geometry]]]
"""Number of an image and sizes of the input to the image's maps at each size."""


@dataclass(frozen=True)
class Recipe:
    """How the weights of one detector are found."""

    decay: float
    """Loss weight of the penalty; see ``fit_logistic``."""
    channels: bool = True
    """Whether single channels are read beside groups."""
    non_negative: bool = False
    """Sparse weights of at least 0 in place of weights of either sign."""


RECIPES = {"mix": Recipe(0.03), "groups": Recipe(0.1, channels=False)}
"""By a key of ``Finder.detectors``."""


@dataclass(frozen=True)
class Readouts:
    """Weights of several recipes, one set after the other for each part in turn."""

    weights: Array
    """(K, columns)."""
    bias: Array
    """(K,)."""


@dataclass(frozen=True)
class Fit:
    """What ``fit_readouts`` found."""

    columns: tuple[Column, ...]
    parts: tuple[str, ...]
    final: Readouts
    """Of all images."""
    folds: npt.NDArray[np.intp]
    """(images,)."""
    held_out: list[list[PartLogits]]
    """Of each image, at the sizes looked at: logits (K, h, w) by readouts that were fitted without it."""
    rows: int
    """Number of sampled positions."""


def folds_of(images: Sequence[FacesImage], seed: int = 0) -> npt.NDArray[np.intp]:
    """(images,): the fold of each image; images of each kind are spread evenly."""
    rng = np.random.default_rng(seed)
    folds = np.zeros(len(images), np.intp)
    kinds = ["none" if image.main is None else image.main.measured_as for image in images]
    start = 0
    for kind in sorted(set(kinds)):
        members = rng.permutation([number for number, one in enumerate(kinds) if one == kind])
        folds[members] = (start + np.arange(len(members))) % FOLDS
        start += len(members)
    return folds


def fit_readouts(
    images: Sequence[FacesImage],
    source: Source,
    recipes: Sequence[Recipe],
    looks_at: Sequence[int],
    *,
    sizes: Sequence[int] = FIT_SIZES,
    seed: int = 0,
    track: Track = iter,
) -> Fit:
    """Readouts of all parts that the images show, and the logits of each image by readouts of other images.

    The memory holds the sampled positions (about 17 an image and size) and the logits, not the maps.

    Args:
        images: None of them held back.
        source: Gives their maps.
        recipes: Of the detectors.
        looks_at: Sizes of the input at which the held-out logits are made.
        sizes: Sizes of the input from which positions are sampled.
        seed: Of the folds and of the sampled positions.
        track: Wraps the numbers of the images in each of the three rounds.

    Raises:
        FinderError: no image shows a part, a part is not shown in each fold, or the images give no position.
    """
    parts = tuple(part for part in PARTS if any(face.of(part) for face in _sure(images)))
    folds = folds_of(images, seed)
    for part in parts:
        if (
            len({folds[i] for i, image in enumerate(images) if any(f.of(part) for f in _sure([image]))})
            < FOLDS
        ):
            raise FinderError(
                f"Fewer than {FOLDS} images show a sure {part}, or not one in each fold, which does not suffice for a "
                "detector. Give more images, or fit a readout to few images: sge parts fit."
            )
    if not parts:
        raise FinderError("No image shows a sure nose or eye. Give images with labelled faces.")
    samples, runs = sampled_positions(images, source, parts, sizes, seed, track)
    final = solved(samples, runs, parts, recipes)
    by_fold = [solved(samples.of_images(folds != fold), runs, parts, recipes) for fold in range(FOLDS)]
    rows = len(samples.rows)
    del samples
    held_out = []
    for number in track(range(len(images))):
        readouts = by_fold[folds[number]]
        held_out.append(
            [
                PartLogits(weighted_maps(maps, readouts.weights) + readouts.bias[:, None, None], geometry)
                for maps, geometry in source(number, looks_at)
            ]
        )
    return Fit(runs, parts, final, folds, held_out, rows)


def sampled_positions(
    images: Sequence[FacesImage],
    source: Source,
    parts: Sequence[str],
    sizes: Sequence[int],
    seed: int = 0,
    track: Track = iter,
) -> tuple[Samples, tuple[Column, ...]]:
    """Positions at random, and those at which first readouts are wrongly high; and the columns of their rows."""
    middle = sorted(sizes)[1 : 1 + max(1, len(sizes) // 2)] if len(sizes) > 1 else list(sizes)
    few = range(0, len(images), FIRST_EVERY)
    first, runs = _sampled(images, source, parts, sizes, track(few), seed, middle)
    recipes = [RECIPES["mix"], RECIPES["groups"]] if not all(of_groups(runs)) else [RECIPES["groups"]]
    readouts = solved(first, runs, parts, recipes)
    return _sampled(images, source, parts, sizes, track(range(len(images))), seed, sizes, readouts)


def solved(
    samples: Samples, runs: Sequence[Column], parts: Sequence[str], recipes: Sequence[Recipe]
) -> Readouts:
    """The weights of each recipe and part."""
    is_group = of_groups(runs)
    weights = np.zeros((len(recipes) * len(parts), len(is_group)), np.float32)
    bias = np.zeros(len(weights), np.float32)
    for at in range(len(weights)):
        recipe, part = recipes[at // len(parts)], at % len(parts)
        used = is_group | recipe.channels
        row_weights = loss_weights(samples.labels[:, part], samples.image)
        kept = row_weights > 0
        rows = samples.rows[kept] if used.all() else samples.rows[np.ix_(kept, used)]
        weights[at, used], bias[at] = fit_logistic(
            rows,
            samples.labels[kept, part] == 1,
            row_weights[kept],
            recipe.decay,
            non_negative=recipe.non_negative,
        )
    return Readouts(weights, bias)


def _sampled(
    images: Sequence[FacesImage],
    source: Source,
    parts: Sequence[str],
    sizes: Sequence[int],
    numbers: Iterable[int],
    seed: int,
    used: Sequence[int],
    readouts: Readouts | None = None,
) -> tuple[Samples, tuple[Column, ...]]:
    found: list[Samples] = []
    runs: tuple[Column, ...] = ()
    for number in numbers:
        for size, (maps, geometry) in zip(used, source(number, used), strict=True):
            runs = columns(maps)
            at = list(sizes).index(size)
            # One generator for each image and size, so that a choice does not depend on the others.
            rng = np.random.default_rng((seed, number, size))
            labels = label_cells(images[number], geometry, grid_of(maps), at, sizes, parts)
            logits = None if readouts is None else weighted_maps(maps, readouts.weights)
            random = FIRST_RANDOM if readouts is None else RANDOM
            taken = sample(maps, labels, number, images[number], rng, logits, random)
            if taken is not None:
                found.append(taken)
    if not found:
        raise FinderError(
            "The images give no position to fit to: faces in them are unsure or not labelled. Give images in which every "
            "face is labelled, and images without a face."
        )
    return joined(found), runs


def _sure(images: Iterable[FacesImage]) -> Iterator[Face]:
    return (face for image in images for face in image.faces if not face.unsure)
