"""A block's maps at 8 bits: value = lo + v / 255 * (hi - lo).

In JSON, the maps of a block are one gray PNG in base64 (``atlas_record``). In a binary answer they are plain bytes
(``cells_record``, and ``sge.analysis.packing``).
"""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sge.arrays import Array

Cells = npt.NDArray[np.uint8]
MapsRecord = Callable[[Array], dict[str, Any]]
"""``atlas_record`` or ``cells_record``."""
_KEYS = ("groups", "height", "width", "lo", "hi", "png")


@dataclass(frozen=True)
class Atlas:
    """The maps of a block, quantized together."""

    groups: int
    height: int
    width: int
    lo: float
    hi: float
    png: bytes
    """Gray PNG, ``width`` wide and ``groups * height`` high: the maps from top to bottom."""


def quantize(maps: Array) -> tuple[Cells, float, float]:
    """Quantizes maps to 8 bits between their common minimum and maximum.

    The error is at most (hi - lo) / 510; maps that are equal everywhere are restored exactly.

    Args:
        maps: (G, h, w), float32.

    Returns:
        The cells (G, h, w), uint8, and the values ``lo`` and ``hi`` that 0 and 255 stand for.
    """
    lo, hi = float(maps.min()), float(maps.max())
    if hi <= lo:
        return np.zeros(maps.shape, np.uint8), lo, hi
    # In float64, because in float32 a range near the smallest numbers would overflow the scale.
    unit = np.subtract(maps, lo, dtype=np.float64)
    unit *= 255 / (hi - lo)
    return np.rint(unit, out=unit).astype(np.uint8), lo, hi


def restore(cells: Cells, lo: float, hi: float) -> Array:
    """Maps (G, h, w), float32, within half a quantization step of what was quantized."""
    return np.asarray(lo + cells.astype(np.float64) / 255 * (hi - lo), np.float32)


def encode_atlas(maps: Array) -> Atlas:
    """Quantizes maps (G, h, w), float32, and writes them as one PNG; see ``quantize``."""
    groups, height, width = maps.shape
    cells, lo, hi = quantize(maps)
    return Atlas(groups, height, width, lo, hi, _png(cells))


def _png(cells: Cells) -> bytes:
    groups, height, width = cells.shape
    buffer = io.BytesIO()
    # Runs and Huffman codes alone: on maps the file is as small as with searches for repetitions, in 0.6 of the time.
    Image.fromarray(cells.reshape(groups * height, width)).save(
        buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE
    )
    return buffer.getvalue()


def decode_atlas(atlas: Atlas) -> Array:
    """Maps (G, h, w), float32, within half a quantization step of what was encoded.

    Raises:
        OSError, ValueError: not the PNG of such an atlas.
    """
    image = Image.open(io.BytesIO(atlas.png), formats=["PNG"])
    if image.mode != "L" or image.size != (atlas.width, atlas.groups * atlas.height):
        raise ValueError(f"an atlas of {image.size[0]} x {image.size[1]} pixels ({image.mode}) does not fit")
    cells = np.asarray(image, np.uint8).reshape(atlas.groups, atlas.height, atlas.width)
    return restore(cells, atlas.lo, atlas.hi)


def atlas_record(maps: Array) -> dict[str, Any]:
    """Maps (G, h, w) as ``{groups, height, width, lo, hi, png}`` with the PNG in base64."""
    return with_png(cells_record(maps))


def with_png(record: dict[str, Any]) -> dict[str, Any]:
    """A ``cells_record`` as an ``atlas_record``; other keys are kept."""
    png = base64.b64encode(_png(record["cells"])).decode("ascii")
    return {key: value for key, value in record.items() if key != "cells"} | {"png": png}


def cells_record(maps: Array) -> dict[str, Any]:
    """Maps (G, h, w) as ``{groups, height, width, lo, hi, cells}``; ``cells`` is an array (G, h, w), uint8."""
    groups, height, width = maps.shape
    cells, lo, hi = quantize(maps)
    return {"groups": groups, "height": height, "width": width, "lo": lo, "hi": hi, "cells": cells}


def maps_of_record(record: dict[str, Any]) -> Array:
    """The maps (G, h, w) of ``atlas_record`` or ``cells_record``; other keys are ignored.

    Raises:
        KeyError, TypeError, ValueError, OSError: not such data.
    """
    if "cells" in record:
        return restore(record["cells"], record["lo"], record["hi"])
    atlas = {key: record[key] for key in _KEYS}
    return decode_atlas(Atlas(**atlas | {"png": base64.b64decode(record["png"], validate=True)}))
