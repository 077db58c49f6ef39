"""The pointing game (Zhang et al., IJCV 2018): whether a map's largest value lies in a labelled box."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from sge.arrays import Array
from sge.errors import DataError
from sge.evaluation.curves import LEVELS, is_constant
from sge.files import read_json, reason_of
from sge.images import Box, Geometry
from sge.text import printable

GOOD = "Give a JSON object of image name to [left, top, right, bottom], in pixels of the upright image."


def read_boxes(path: Path) -> dict[str, Box]:
    """Boxes by image name, such as ``n02099601/a.jpg``: the name below the folder or in the archive.

    Args:
        path: A JSON object of image name to ``[left, top, right, bottom]`` in pixels of the upright image.

    Raises:
        DataError: the file cannot be read, or a box is no rectangle of finite numbers.
    """
    try:
        record = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"The boxes in {path} cannot be read ({reason_of(error)}). {GOOD}") from error
    if not isinstance(record, dict) or not record:
        raise DataError(f"{path} holds no boxes. {GOOD}")
    return {name: _box(path, name, sides) for name, sides in record.items()}


def _box(path: Path, name: str, sides: object) -> Box:
    if (
        not isinstance(sides, list)
        or len(sides) != 4
        or not all(type(side) in (int, float) and math.isfinite(side) for side in sides)
        or sides[0] >= sides[2]
        or sides[1] >= sides[3]
    ):
        raise DataError(f"{path}: the box of {printable(name)} is {str(sides)[:80]}. {GOOD}")
    return Box(*map(float, sides))


def visible_box(name: str, box: Box, geometry: Geometry) -> Box | None:
    """The part of a box that the network sees, in pixels of the upright image; None if it sees nothing of it.

    Args:
        name: Of the image, for the message.
        box: Labelled on the image.
        geometry: The image's size, and the window that the network sees.

    Raises:
        DataError: the box lies outside the image.
    """
    width, height = geometry.image
    if box.left >= width or box.top >= height or box.right <= 0 or box.bottom <= 0:
        raise DataError(
            f"The box of {name}, {list(box)}, lies outside the image of {width} x {height} pixels. {GOOD}"
        )
    left, top, right, bottom = geometry.window
    seen = Box(max(box.left, left), max(box.top, top), min(box.right, right), min(box.bottom, bottom))
    return seen if seen.left < seen.right and seen.top < seen.bottom else None


def pointing_hit(saliency: Array, box: Box, window: Box) -> float:
    """1 if the center of the map's largest cell lies in the box, 0 if not; the mean over cells that are equally large.

    The center of the largest cell is where the map, resized bilinearly, has its maximum.

    Args:
        saliency: (rows, columns).
        box: In pixels of the upright image.
        window: What the map covers, in the same pixels.
    """
    values = np.asarray(saliency, np.float64)
    levels = np.zeros(values.shape) if is_constant(saliency) else (values - values.max()) / np.ptp(values)
    rows, cols = np.nonzero(levels > -1 / LEVELS)
    y = window.top + (rows + 0.5) / values.shape[0] * (window.bottom - window.top)
    x = window.left + (cols + 0.5) / values.shape[1] * (window.right - window.left)
    return float(((box.left <= x) & (x < box.right) & (box.top <= y) & (y < box.bottom)).mean())


def chance(box: Box, window: Box) -> float:
    """Share of the window's area that the box covers: the hit rate of a uniformly random point.

    Args:
        box: The visible part, from ``visible_box``.
        window: What the network sees.
    """
    areas = [(side.right - side.left) * (side.bottom - side.top) for side in (box, window)]
    return areas[0] / areas[1]
