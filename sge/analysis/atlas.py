"""A block's maps at 8 bits: value = lo + v / 255 * (hi - lo).

In JSON, the maps of a block are one gray PNG in base64 (``atlas_record``). In a binary answer they are plain bytes
(``cells_record``, and ``sge.analysis.packing``).
"""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sge.analysis.deflate import deflated
from sge.arrays import Array
from sge.images import open_formats

Cells = npt.NDArray[np.uint8]
MapsRecord = Callable[[Array], dict[str, Any]]
"""``atlas_record`` or ``cells_record``."""
_NUMBERS = ("groups", "height", "width", "lo", "hi")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RANGES = 1e-30, 1e30
"""Differences of the ends between which float32 neither loses nor overflows a map's values."""


def quantize(maps: Array) -> tuple[Cells, float, float]:
    """Quantizes maps to 8 bits between their common minimum and maximum.

    The error is at most (hi - lo) / 510, and the rounding of float32; maps that are equal everywhere are restored exactly.

    Args:
        maps: (G, h, w), float32.

    Returns:
        The cells (G, h, w), uint8, and the values ``lo`` and ``hi`` that 0 and 255 stand for.
    """
    lo, hi = float(maps.min()), float(maps.max())
    if hi <= lo:
        return np.zeros(maps.shape, np.uint8), lo, hi
    number = np.float32 if _RANGES[0] < hi - lo < _RANGES[1] else np.float64
    unit = np.subtract(maps, lo, dtype=number)
    unit *= number(255 / (hi - lo))
    unit += number(0.5)
    return unit.astype(np.uint8), lo, hi


def restore(cells: Cells, lo: float, hi: float) -> Array:
    """Maps (G, h, w), float32, within half a quantization step of what was quantized."""
    return np.asarray(lo + cells.astype(np.float64) / 255 * (hi - lo), np.float32)


def _png(cells: Cells) -> bytes:
    """A PNG whose rows are not filtered: on maps a filter makes the file no smaller, and takes most of the time."""
    groups, height, width = cells.shape
    rows = np.zeros(
        (groups * height, 1 + width), np.uint8
    )  # Each begins with the number of its filter, none.
    rows[:, 1:] = cells.reshape(groups * height, width)
    header = struct.pack(">IIBBBBB", width, groups * height, 8, 0, 0, 0, 0)
    pixels = deflated(rows.data)
    return b"".join([_SIGNATURE, *_chunk(b"IHDR", header), *_chunk(b"IDAT", pixels), *_chunk(b"IEND", b"")])


def _chunk(kind: bytes, content: bytes) -> tuple[bytes, ...]:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)


def atlas_record(maps: Array) -> dict[str, Any]:
    """Maps (G, h, w), float32, as ``{groups, height, width, lo, hi, png}``.

    ``png`` is a gray PNG in base64, ``width`` wide and ``groups * height`` high: the maps from top to bottom.
    """
    return with_png(cells_record(maps))


def with_png(record: dict[str, Any]) -> dict[str, Any]:
    """A ``cells_record`` as an ``atlas_record``; other keys are kept."""
    png = base64_png(record["cells"]).decode("ascii")
    return {key: value for key, value in record.items() if key != "cells"} | {"png": png}


def base64_png(cells: Cells) -> bytes:
    """The PNG of cells (G, h, w) in base64."""
    return base64.b64encode(_png(cells))


def cells_record(maps: Array) -> dict[str, Any]:
    """Maps (G, h, w) as ``{groups, height, width, lo, hi, cells}``; ``cells`` is an array (G, h, w), uint8."""
    groups, height, width = maps.shape
    cells, lo, hi = quantize(maps)
    return {"groups": groups, "height": height, "width": width, "lo": lo, "hi": hi, "cells": cells}


def maps_of_record(record: dict[str, Any]) -> Array:
    """The maps (G, h, w), float32, of ``atlas_record`` or ``cells_record``; other keys are ignored.

    They are within half a quantization step of what was recorded.

    Raises:
        KeyError, TypeError, ValueError, OSError: not such data.
    """
    if "cells" in record:
        return restore(record["cells"], record["lo"], record["hi"])
    groups, height, width, lo, hi = (record[key] for key in _NUMBERS)
    image = open_formats(io.BytesIO(base64.b64decode(record["png"], validate=True)), ("PNG",))
    if image.mode != "L" or image.size != (width, groups * height):
        raise ValueError(f"an atlas of {image.size[0]} x {image.size[1]} pixels ({image.mode}) does not fit")
    return restore(np.asarray(image, np.uint8).reshape(groups, height, width), lo, hi)
