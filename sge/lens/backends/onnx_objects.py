"""Which output of an exported file tells boxes, and the boxes that it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sge.arrays import Array
from sge.lens.anchor_boxes import anchor_boxes

if TYPE_CHECKING:
    from sge.models import ExportedModel

READ = ("auto", "ultralytics")
"""Adapters of the model that was exported whose boxes are read here."""


def objects_of(exported: ExportedModel) -> str | None:
    """Name of the output that is read as ``sge.lens.adapters.anchors`` reads a network's: the first of its members.

    None for a file without one, or of a model whose output is read by an adapter of its own.
    """
    if exported.adapter not in READ:
        return None
    return next((name for name in exported.results if set(name.split("/")[1:]) <= {"0"}), None)


def read_objects(exported: ExportedModel, found: Array, shape: tuple[int, ...]) -> list[Array] | str | None:
    """Boxes of that output; see ``anchor_boxes``.

    Args:
        exported: The file.
        found: The output.
        shape: Of the input, (N, channels, h, w).
    """
    if found.ndim != 3 or len(found) != shape[0]:
        return None
    classes = None if exported.labels is None else len(exported.labels)
    return anchor_boxes(found.astype(np.float32, copy=False), shape, classes)
