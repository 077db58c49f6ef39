"""Chooses the positions of labelled images from which a detector is fitted, and weighs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sge.arrays import Array
from sge.images import Geometry
from sge.parts.columns import Cells, Maps, rows_at
from sge.parts.labelled_faces import Face, FacesImage

POSITIVE_CELLS, POSITIVE_SIZE = 0.75, 0.15
"""A position is positive within so many cells of a part's point, or within this fraction of the face's size."""
IGNORED_CELLS, IGNORED_SIZE = 1.0, 0.35
"""Positions that are left out around a point, likewise."""
UNSURE_CELLS, UNSURE_SIZE = 1.5, 1.3
"""Positions that are left out around the points of an unsure face, likewise, for every part."""
SMALLEST_FACE, LARGEST_FACE = 1.2, 6.5
"""Size in cells within which a face is positive; where no size of the input brings it there, the nearest size is."""
MAX_POSITIVE = 40
"""Positive positions that are taken from an image at one size."""
RANDOM, HARD = 6, 3
"""Negative positions of an image at one size: at random, and for each first readout the highest ones."""
EMPTY_FACTOR = 2
"""So many times more negative positions are taken from an image without a face."""
NEGATIVE_WEIGHT = 2.0
"""Weight of all negative positions together; that of all positive ones is 1."""

Labels = npt.NDArray[np.int8]
"""1 positive, 0 negative, -1 left out."""


@dataclass(frozen=True)
class Samples:
    """Sampled positions of all images; N rows."""

    rows: npt.NDArray[np.float16]
    """(N, columns)."""
    labels: Labels
    """(N, P)."""
    image: npt.NDArray[np.intp]
    """(N,): number of the image that each row is from."""

    def of_images(self, chosen: npt.NDArray[np.bool_]) -> Samples:
        """The rows of some images.

        Args:
            chosen: (images,).
        """
        kept = chosen[self.image]
        return Samples(self.rows[kept], self.labels[kept], self.image[kept])


def joined(parts: Sequence[Samples]) -> Samples:
    """All rows of several samples."""
    return Samples(
        np.concatenate([one.rows for one in parts]),
        np.concatenate([one.labels for one in parts]),
        np.concatenate([one.image for one in parts]),
    )


def label_cells(
    image: FacesImage,
    geometry: Geometry,
    shape: tuple[int, int],
    at: int,
    sizes: Sequence[int],
    parts: Sequence[str],
) -> Labels:
    """What each cell of a grid is for each part.

    Args:
        image: Its faces.
        geometry: Of the image; the grid covers its window.
        shape: Rows and columns of the grid.
        at: Number of this size in ``sizes``.
        sizes: All sizes of the fit, ascending.
        parts: Of ``sge.parts.PARTS``.

    Returns:
        (P, rows * columns).
    """
    rows, cols = shape
    window = geometry.window
    cell = (window.right - window.left) / cols, (window.bottom - window.top) / rows
    down, across = np.mgrid[:rows, :cols].astype(np.float64) + 0.5
    labels = np.zeros((len(parts), rows * cols), np.int8)

    def distances(point: tuple[float, float]) -> npt.NDArray[np.float64]:
        x, y = (point[0] - window.left) / cell[0], (point[1] - window.top) / cell[1]
        apart: npt.NDArray[np.float64] = np.hypot(across - x, down - y).ravel()
        return apart

    def in_cells(face: Face) -> float:
        return face.size / min(cell)

    for face in image.faces:
        if face.unsure:
            reach = max(UNSURE_CELLS, UNSURE_SIZE * in_cells(face))
            for point in face.points.values():
                labels[:, distances(point) <= reach] = -1
    sure = [face for face in image.faces if not face.unsure]
    marks = [
        (number, face, distances(point))
        for number, part in enumerate(parts)
        for face in sure
        for point in face.of(part)
    ]
    for number, face, apart in marks:
        labels[number, apart <= max(IGNORED_CELLS, IGNORED_SIZE * in_cells(face))] = -1
    for number, face, apart in marks:
        if _suits(in_cells(face), at, sizes):
            near = apart <= max(POSITIVE_CELLS, POSITIVE_SIZE * in_cells(face))
            labels[number, near if near.any() else apart <= apart.min()] = 1
    return labels


def _suits(cells: float, at: int, sizes: Sequence[int]) -> bool:
    """Whether a face of so many cells is positive at this size."""
    smallest, largest = cells * sizes[0] / sizes[at], cells * sizes[-1] / sizes[at]
    if largest < SMALLEST_FACE:
        return at == len(sizes) - 1
    if smallest > LARGEST_FACE:
        return at == 0
    return SMALLEST_FACE <= cells <= LARGEST_FACE


def sample(
    maps: Maps,
    labels: Labels,
    number: int,
    image: FacesImage,
    rng: np.random.Generator,
    logits: Array | None = None,
    random: int = RANDOM,
) -> Samples | None:
    """Positions of one image at one size: positive ones, random negative ones, and the highest negative ones.

    Args:
        maps: Of the image.
        labels: From ``label_cells``.
        number: Of the image.
        image: States whether faces in it are not labelled: then no position is negative.
        rng: Chooses positions.
        logits: (K, h, w): of first readouts; one after the other for each part in turn, K a multiple of P.
        random: Number of random negative positions.

    Returns:
        None if there is no position to take.
    """
    parts = len(labels)
    positive = np.flatnonzero((labels == 1).any(0))
    if len(positive) > MAX_POSITIVE:
        positive = rng.choice(positive, MAX_POSITIVE, replace=False)
    chosen: list[Cells] = [positive]
    if not image.unlabelled:
        factor = 1 if image.faces else EMPTY_FACTOR
        negative = np.flatnonzero((labels == 0).all(0))
        chosen.append(rng.choice(negative, min(random * factor, len(negative)), replace=False))
        for at, values in enumerate(() if logits is None else logits.reshape(len(logits), -1)):
            negative = np.flatnonzero(labels[at % parts] == 0)
            chosen.append(negative[np.argsort(-values[negative], kind="stable")[: HARD * factor]])
    cells = np.unique(np.concatenate(chosen))
    if not len(cells):
        return None
    taken = labels[:, cells].T.copy()
    if image.unlabelled:
        taken[taken == 0] = -1
    rows = rows_at(maps, cells).astype(np.float16)
    return Samples(rows, taken, np.full(len(cells), number))


def loss_weights(labels: Labels, image: npt.NDArray[np.intp]) -> Array:
    """Weight of each row's loss for one part.

    Each image's positive rows weigh the same together, and all of them 1; each image's negative rows likewise, and all of
    them ``NEGATIVE_WEIGHT``. Rows that are left out weigh 0.

    Args:
        labels: (N,).
        image: (N,).

    Returns:
        (N,), float32.
    """
    weights = np.zeros(len(labels), np.float32)
    for label, total in ((1, 1.0), (0, NEGATIVE_WEIGHT)):
        at = np.flatnonzero(labels == label)
        count = np.bincount(image[at], minlength=int(image.max(initial=0)) + 1)
        weights[at] = total / (count[image[at]] * max(int((count > 0).sum()), 1))
    return weights
