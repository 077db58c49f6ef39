"""Boxes of detectors that give every anchor or query, out of what a network returned."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sge.lens.anchor_boxes import MAX_BOXES, MAX_OVERLAP, MIN_SCORE, anchor_boxes

__all__ = ["MAX_BOXES", "MAX_OVERLAP", "MIN_SCORE", "read_anchors"]

_MAX_DEPTH = 4


def read_anchors(output: Any, input_shape: tuple[int, ...], classes: int | None) -> list[Tensor] | str | None:
    """Boxes of an output as ``anchor_boxes`` reads them; None for another output.

    Args:
        output: A tensor, or a tuple or list whose first member it is, or that of its first member.
        input_shape: (N, channels, h, w).
        classes: Number of the model's labels; None without labels.

    Returns:
        For each image (K, 6), float32, on the CPU; or a sentence that says why boxes are there and are not read.
    """
    found = output
    for _ in range(_MAX_DEPTH):
        if not isinstance(found, list | tuple) or not found:
            break
        found = found[0]
    if not isinstance(found, Tensor) or found.dim() != 3 or not found.is_floating_point():
        return None
    boxes = anchor_boxes(found.detach().float().cpu().numpy(), input_shape, classes)
    return boxes if isinstance(boxes, str | None) else [torch.from_numpy(one) for one in boxes]
