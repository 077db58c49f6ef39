"""Boxes of DETR and its like: scores and a box for each of a fixed number of queries (Carion et al., ECCV 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sge.lens.anchor_boxes import MIN_SCORE


def read_queries(output: Any, input_shape: tuple[int, ...], classes: int | None) -> list[Tensor] | str | None:
    """Boxes of an output with ``pred_boxes`` and ``pred_logits``, or ``logits``; None for another output.

    With one column more than there are labels the last one stands for no object, and scores are a softmax, as in DETR; with
    as many, each is a sigmoid, as in Deformable DETR and RT-DETR. Boxes overlap as little as the network lets them: there is
    no suppression.

    Args:
        output: A mapping or object with ``pred_boxes`` (N, queries, 4), of center, width and height as fractions of the
            image, and ``pred_logits`` (N, queries, columns).
        input_shape: (N, channels, h, w).
        classes: Number of the model's labels; None without labels.

    Returns:
        For each image (K, 6), float32: left, top, right, bottom, score, class; those with a score of ``MIN_SCORE`` or more.
        Or a sentence that says why boxes are there and are not read.
    """
    boxes, logits = _member(output, "pred_boxes"), _member(output, "pred_logits", "logits")
    if boxes is None or logits is None or boxes.shape[:2] != logits.shape[:2]:
        return None
    if boxes.shape[2] != 4:
        return (
            f"The network gives boxes of {boxes.shape[2]} numbers, such as rotated ones; only those of center, width and "
            "height can be shown, so that there are masks only."
        )
    columns = logits.shape[2]
    if classes is None or columns not in (classes, classes + 1):
        given = "no labels are" if classes is None else f"{classes} labels are"
        return (
            f"The network gives {columns} numbers for the classes of each box, and {given} given, so that it is not known "
            f"whether the last one stands for no object. Give the Model {columns} labels, or {columns - 1} if it does."
        )
    logits = logits.detach().float()
    scores = logits.sigmoid() if columns == classes else logits.softmax(2)[..., :-1]
    boxes = boxes.detach().float()
    half = boxes[..., 2:] / 2
    sides = boxes.new_tensor([input_shape[3], input_shape[2]] * 2)
    corners = torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], 2) * sides
    best, index = scores.max(2)
    found = torch.cat([corners, best[..., None], index[..., None].float()], 2)
    # What is not a number stays, because a Lens refuses it in words.
    return [one[~(one[:, 4] < MIN_SCORE)] for one in found]


def _member(output: Any, *names: str) -> Tensor | None:
    """The first floating tensor of three dimensions that the output has under one of the names."""
    for name in names:
        value = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        if isinstance(value, Tensor) and value.dim() == 3 and value.is_floating_point():
            return value
    return None
