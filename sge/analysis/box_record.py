"""The boxes of a detector as plain data, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sge.analysis.box import Box

_NUMBERS = ("score", "x", "y", "width", "height")


def boxes_record(boxes: Sequence[Box]) -> list[dict[str, Any]]:
    """Boxes as JSON-ready data: ``[{label, score, index, x, y, width, height}]``."""
    return [dict(vars(box)) for box in boxes]


def boxes_of(record: list[dict[str, Any]]) -> list[Box]:
    """The boxes that ``boxes_record`` wrote. A record from before there were boxes has none.

    Raises:
        TypeError, ValueError: not such data.
    """
    if not isinstance(record, list):
        raise TypeError(f"boxes that are no list: {record!r:.60}")
    return [_box(entry) for entry in record]


def _box(entry: dict[str, Any]) -> Box:
    box = Box(**entry)
    if not isinstance(box.label, str) or type(box.index) is not int:
        raise TypeError(f"a box without label and class: {entry!r:.60}")
    numbers = [getattr(box, name) for name in _NUMBERS]
    if any(type(number) not in (int, float) or not math.isfinite(number) for number in numbers):
        raise ValueError(f"a box whose numbers are no numbers: {entry!r:.60}")
    if box.width < 0 or box.height < 0:
        raise ValueError(f"a box of negative size: {entry!r:.60}")
    return box
