"""Boxes of a detector, from pixels of the network's input to pixels of the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sge.analysis import Box
from sge.arrays import Array
from sge.errors import ChoiceError
from sge.images import Geometry


def best_first(boxes: Array) -> Array:
    """Boxes (K, 6) by falling score."""
    sorted_boxes: Array = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    return sorted_boxes


def boxes_on_image(found: Array, geometry: Geometry, labels: Sequence[str] | None) -> list[Box]:
    """Boxes in pixels of the upright image, cut off at its edges; those without an area there are left out.

    Args:
        found: (K, 6), float32, finite: left, top, right and bottom in pixels of the input, score, class.
        geometry: Of the frame, without what the network pads.
        labels: One for each class; without them, a class is named by its number.

    Raises:
        ChoiceError: a class without a label.
    """
    (width, height), (left, top, right, bottom) = geometry.image, geometry.window
    scale = np.array([(right - left) / geometry.input[0], (bottom - top) / geometry.input[1]] * 2)
    corners = np.array([left, top] * 2) + found[:, :4].astype(np.float64) * scale
    corners = corners.clip(0, [width, height] * 2)
    boxes = [
        Box(label_of(labels, int(row[5])), float(row[4]), int(row[5]), x0, y0, x1 - x0, y1 - y0)
        for row, (x0, y0, x1, y1) in zip(found, corners.tolist(), strict=True)
    ]
    return [box for box in boxes if box.width > 0 and box.height > 0]


def label_of(labels: Sequence[str] | None, index: int) -> str:
    """The label of a class, or its number in words.

    Raises:
        ChoiceError: there are labels, and none for this class.
    """
    if labels is None:
        return f"class {index}"
    if not 0 <= index < len(labels):
        raise ChoiceError(
            f"The network finds an object of class {index}, and {len(labels)} labels are given. Give the Model a label for "
            "each class; torchvision's detectors count the background as class 0."
        )
    return labels[index]
