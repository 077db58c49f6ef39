"""Boxes of detectors that give every anchor: YOLO in the layouts of ultralytics and its predecessors, and its RT-DETR.

An output is recognized by its number of anchors, which follows from the size of the input, and by its values. Only NumPy is
used, because exported files are read where there is no torch.
"""

from __future__ import annotations

import numpy as np

from sge.arrays import Array

MIN_SCORE = 0.25
"""Smallest score of a box that is given; as ultralytics' own prediction."""
MAX_OVERLAP = 0.7
"""Largest intersection over union of two boxes of one class; of more, only the better one is given; likewise."""
MAX_BOXES = 300
"""Largest number of boxes of an image; likewise."""
MAX_CANDIDATES = 30_000
"""Largest number of boxes that are compared with each other; likewise."""
_STRIDES = ((8, 16, 32), (4, 8, 16, 32), (8, 16, 32, 64), (16, 32))
"""Strides of the levels of such detectors."""
_MAX_FRACTION = 1.5
"""Largest coordinate, as a fraction of the image, of a box that lies in it or reaches out of it."""


def anchor_boxes(found: Array, input_shape: tuple[int, ...], classes: int | None) -> list[Array] | str | None:
    """Boxes of an output of one of five layouts, after non-maximum suppression; None for another output.

    (N, 4 + classes + more, anchors): center, width, height, scores. (N, anchors, 5 + classes), with one or three anchors
    at each position: center, width, height, score of any object, scores. (N, K, 6), which is final: corners, score, class;
    or center, width and height as fractions of the image, score, class.

    Args:
        found: (N, ., .), float32.
        input_shape: (N, channels, h, w).
        classes: Number of the model's labels; None without labels. What follows the scores of so many classes, such as
            coefficients of masks, is not read.

    Returns:
        For each image (K, 6), float32: left, top, right, bottom, score, class. Or a sentence that says why boxes are there
        and are not read.
    """
    counts = _anchors(*input_shape[2:])
    if found.shape[2] in counts and found.shape[1] > 4:
        scores = found[:, 4 : None if classes is None else 4 + classes]
        if not _are_scores(scores):
            return None
        if classes is not None and found.shape[1] == 5 + classes:
            return (
                f"The network gives one number more for each box than those of {classes} classes: its boxes are rotated, "
                "which cannot be shown, so that there are masks only. If it is one class more, give a label for each."
            )
        return _suppressed(found[:, :4].swapaxes(1, 2), scores.swapaxes(1, 2))
    if found.shape[1] in {*counts, *(3 * count for count in counts)} and found.shape[2] > 5:
        scores = found[:, :, 4:]
        if not _are_scores(scores) or classes not in (None, found.shape[2] - 5):
            return None
        return _suppressed(found[:, :, :4], scores[:, :, :1] * scores[:, :, 1:])
    return _final(found, input_shape, classes)


def _anchors(height: int, width: int) -> set[int]:
    return {
        sum(-(-height // stride) * -(-width // stride) for stride in strides)
        for strides in _STRIDES
        if height >= strides[-1] and width >= strides[-1]
    }


def _are_scores(values: Array) -> bool:
    # What is not a number passes, because it is a fault of the values and not of the layout.
    return bool(values.size) and not bool(((values < 0) | (values > 1)).any())


def _final(found: Array, input_shape: tuple[int, ...], classes: int | None) -> list[Array] | None:
    """Boxes that the network has chosen itself, padded with scores of 0."""
    if found.shape[2] != 6 or not _are_scores(found[..., 4]):
        return None
    index = found[..., 5]
    below = classes is None or bool((index < classes).all())
    if not (below and bool(((index >= 0) & (index == index.round())).all())):
        return None
    boxes = found[..., :4]
    if bool((boxes >= 0).all()) and bool((boxes <= _MAX_FRACTION).all()) and boxes.any():
        if bool((boxes[..., 2:] >= boxes[..., :2]).all()):
            return None  # Fractions may be corners as well as centers and sizes.
        boxes = corners_of(boxes, input_shape)
    found = np.concatenate([boxes, found[..., 4:]], 2)
    return [one[one[:, 4] >= MIN_SCORE] for one in found]


def corners_of(centered: Array, input_shape: tuple[int, ...] | None = None) -> Array:
    """Left, top, right, bottom of boxes (..., 4) of center, width, height.

    Args:
        centered: In pixels, or as fractions of the image.
        input_shape: (N, channels, h, w), for fractions.
    """
    half = centered[..., 2:] / 2
    corners: Array = np.concatenate([centered[..., :2] - half, centered[..., :2] + half], -1)
    if input_shape is not None:
        corners = corners * np.array([input_shape[3], input_shape[2]] * 2, np.float32)
    return corners


def _suppressed(centered: Array, scores: Array) -> list[Array]:
    """Non-maximum suppression of (N, anchors, 4) and (N, anchors, classes), within each class."""
    if not (np.isfinite(scores).all() and np.isfinite(centered).all()):
        # A Lens refuses numbers that are not finite.
        return [np.full((1, 6), np.nan, np.float32) for _ in centered]
    kept = []
    for boxes, by_class in zip(corners_of(centered), scores, strict=True):
        score, index = by_class.max(1), by_class.argmax(1)
        chosen = np.flatnonzero(score >= MIN_SCORE)
        chosen = chosen[np.argsort(-score[chosen], kind="stable")[:MAX_CANDIDATES]]
        chosen = chosen[_apart(boxes[chosen], index[chosen])]
        kept.append(
            np.concatenate([boxes[chosen], score[chosen, None], index[chosen, None]], 1).astype(np.float32)
        )
    return kept


def _apart(boxes: Array, index: Array) -> list[int]:
    """Rows that overlap no better row of their class by more than ``MAX_OVERLAP``; rows are ordered, the best first."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.arange(len(boxes))
    kept: list[int] = []
    while len(left) and len(kept) < MAX_BOXES:
        best, left = left[0], left[1:]
        kept.append(int(best))
        sides = np.minimum(boxes[left, 2:], boxes[best, 2:]) - np.maximum(boxes[left, :2], boxes[best, :2])
        shared = sides.clip(0).prod(1)
        overlaps = shared > MAX_OVERLAP * (areas[left] + areas[best] - shared)
        left = left[~(overlaps & (index[left] == index[best]))]
    return kept
