"""Boxes of torchvision's detectors: one dict for each image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

KEYS = ("boxes", "scores", "labels")


def read_detections(output: Any) -> list[Tensor] | str | None:
    """Boxes of a list of dicts with ``boxes`` (K, 4), ``scores`` (K,) and ``labels`` (K,); None for another output.

    Returns:
        For each image (K, 6), float32: left, top, right, bottom, score, class. Or a sentence on boxes of five numbers.
    """
    if not isinstance(output, list | tuple) or not output or not all(_is_found(one) for one in output):
        return None
    if any(one["boxes"].shape[1] == 5 for one in output):
        return "The network's boxes are rotated, which cannot be shown, so that there are masks only."
    return [
        torch.cat([one["boxes"].float(), one["scores"][:, None].float(), one["labels"][:, None].float()], 1)
        for one in output
    ]


def _is_found(one: Any) -> bool:
    if not isinstance(one, Mapping) or not all(isinstance(one.get(key), Tensor) for key in KEYS):
        return False
    boxes, scores, labels = (one[key] for key in KEYS)
    count = (len(boxes),) if boxes.dim() else ()
    return (
        boxes.dim() == 2 and boxes.shape[1] in (4, 5) and tuple(scores.shape) == tuple(labels.shape) == count
    )
