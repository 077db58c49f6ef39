"""Boxes of detectors that give every anchor: YOLO in the layouts of ultralytics and of its predecessors.

An output is recognized by its number of anchors, which follows from the size of the input, and by its values.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

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


def read_anchors(output: Any, input_shape: tuple[int, ...], classes: int | None) -> list[Tensor] | None:
    """Boxes of an output of one of four layouts, after non-maximum suppression; None for another output.

    (N, 4 + classes + more, anchors): center, width, height, scores. (N, anchors, 5 + classes), with one or three anchors
    at each position: center, width, height, score of any object, scores. (N, K, 6): corners, score, class, which is final.

    Args:
        output: A tensor, or a tuple or list whose first member it is.
        input_shape: (N, channels, h, w).
        classes: Number of the model's labels; None without labels. What follows the scores of so many classes, such as
            coefficients of masks, is not read.

    Returns:
        For each image (K, 6), float32: left, top, right, bottom, score, class.
    """
    found = output[0] if isinstance(output, list | tuple) and output else output
    if not isinstance(found, Tensor) or found.dim() != 3 or not found.is_floating_point():
        return None
    found = found.detach().float()
    counts = _anchors(*input_shape[2:])
    if found.shape[2] in counts and found.shape[1] > 4:
        scores = found[:, 4 : None if classes is None else 4 + classes]
        return _suppressed(found[:, :4].mT, scores.mT) if _are_scores(scores) else None
    if found.shape[1] in {*counts, *(3 * count for count in counts)} and found.shape[2] > 5:
        scores = found[:, :, 4:]
        if not _are_scores(scores) or classes not in (None, found.shape[2] - 5):
            return None
        return _suppressed(found[:, :, :4], scores[:, :, :1] * scores[:, :, 1:])
    return _final(found, classes)


def _anchors(height: int, width: int) -> set[int]:
    return {
        sum(-(-height // stride) * -(-width // stride) for stride in strides)
        for strides in _STRIDES
        if height >= strides[-1] and width >= strides[-1]
    }


def _are_scores(values: Tensor) -> bool:
    # What is not a number passes, because it is a fault of the values and not of the layout.
    return bool(values.numel()) and not bool(((values < 0) | (values > 1)).any())


def _final(found: Tensor, classes: int | None) -> list[Tensor] | None:
    """Boxes that the network has chosen itself, padded with scores of 0."""
    if found.shape[2] != 6 or not _are_scores(found[..., 4]):
        return None
    index = found[..., 5]
    below = classes is None or bool((index < classes).all())
    if not (below and bool(((index >= 0) & (index == index.round())).all())):
        return None
    return [one[one[:, 4] >= MIN_SCORE] for one in found]


def _suppressed(centered: Tensor, scores: Tensor) -> list[Tensor]:
    """Non-maximum suppression of (N, anchors, 4) and (N, anchors, classes), within each class."""
    from torchvision.ops import batched_nms

    if not bool(torch.isfinite(scores).all() and torch.isfinite(centered).all()):
        return [
            one.new_full((1, 6), torch.nan) for one in centered
        ]  # A Lens refuses numbers that are not finite.
    kept = []
    half = centered[..., 2:] / 2
    corners = torch.cat([centered[..., :2] - half, centered[..., :2] + half], -1)
    for boxes, by_class in zip(corners, scores, strict=True):
        score, index = by_class.max(1)
        chosen = (score >= MIN_SCORE).nonzero()[:, 0]
        chosen = chosen[score[chosen].argsort(descending=True, stable=True)[:MAX_CANDIDATES]]
        best = batched_nms(boxes[chosen], score[chosen], index[chosen], MAX_OVERLAP)[:MAX_BOXES]
        chosen = chosen[best]
        kept.append(torch.cat([boxes[chosen], score[chosen, None], index[chosen, None].float()], 1))
    return kept
