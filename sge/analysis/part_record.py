"""Parts and the maps they are found in, as plain data, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from sge.arrays import Array
from sge.images import Box
from sge.parts import SOURCES, GroupWeight, Part, PartMap, is_number

MAX_FACES = 10_000
"""Faces of a record; a finder gives fewer than a hundred."""


def part_record(part: Part) -> dict[str, Any]:
    """JSON-ready data of a part."""
    return vars(part) | {"box": list(part.box)}


def part_of(record: dict[str, Any]) -> Part:
    """The part that ``part_record`` wrote; files from before ``face`` and ``sure`` have neither.

    Raises:
        KeyError, TypeError, ValueError: not such data.
    """
    part = Part(**record | {"box": Box(*record["box"])})
    if type(part.face) is not int or not 0 <= part.face < MAX_FACES or type(part.sure) is not bool:
        raise ValueError(f"a part of the face {part.face!r:.40} that is sure: {part.sure!r:.40}")
    if not isinstance(part.name, str) or not all(map(is_number, (part.x, part.y, *part.box))):
        raise ValueError(f"a part {part.name!r:.40} whose position or box is no numbers")
    if part.box.left > part.box.right or part.box.top > part.box.bottom:
        raise ValueError(f"a part {part.name!r:.40} with a box of negative size")
    if not is_number(part.score) or not 0 <= part.score <= 1:
        raise ValueError(f"a part {part.name!r:.40} with the score {part.score!r:.40}")
    return part


def part_map_header(part_map: PartMap) -> dict[str, Any]:
    """JSON-ready data of a part's map, without the map."""
    return {
        "threshold": part_map.threshold,
        "terms": [dict(vars(term)) for term in part_map.terms],
        "source": part_map.source,
    }


def part_map_of(part: str, header: dict[str, Any], values: Array) -> PartMap:
    """The part's map that ``part_map_header`` wrote the header of; files from before ``source`` have none.

    Args:
        part: Its name, for the error.
        header: May have further keys.
        values: The map.

    Raises:
        KeyError, TypeError, ValueError: not such data.
    """
    if values.ndim != 2 or values.dtype != np.float32:
        raise ValueError(f"a map of {part} of {values.dtype} {values.shape} instead of float32 (h, w)")
    source = header.get("source", SOURCES[0])
    if source not in SOURCES:
        raise ValueError(f"a map of {part} that is made of {source!r:.60}")
    threshold = header["threshold"]
    if not is_number(threshold) or not 0 <= threshold <= 1:
        raise ValueError(f"a map of {part} with the threshold {threshold!r:.40}")
    terms = [GroupWeight(**term) for term in header["terms"]]
    if not all(
        isinstance(one.block, str) and type(one.group) is int and is_number(one.weight) for one in terms
    ):
        raise ValueError(f"a map of {part} with groups that are none")
    return PartMap(values, float(threshold), terms, source)
