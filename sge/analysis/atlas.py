"""A block's maps as one 8-bit gray image: value = lo + v / 255 * (hi - lo)."""

from __future__ import annotations

import base64
import io
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from sge.arrays import Array

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


def encode_atlas(maps: Array) -> Atlas:
    """Quantizes maps to 8 bits between their common minimum and maximum.

    The error is at most (hi - lo) / 510; maps that are equal everywhere are restored exactly.

    Args:
        maps: (G, h, w), float32.
    """
    groups, height, width = maps.shape
    lo, hi = float(maps.min()), float(maps.max())
    # In float64, because in float32 a range near the smallest numbers would overflow the scale.
    unit = (maps.astype(np.float64) - lo) / (hi - lo) if hi > lo else np.zeros(maps.shape)
    gray = np.rint(unit * 255).astype(np.uint8).reshape(groups * height, width)
    buffer = io.BytesIO()
    Image.fromarray(gray).save(buffer, "PNG", compress_level=4)
    return Atlas(groups, height, width, lo, hi, buffer.getvalue())


def decode_atlas(atlas: Atlas) -> Array:
    """Maps (G, h, w), float32, within half a quantization step of what was encoded.

    Raises:
        OSError, ValueError: not the PNG of such an atlas.
    """
    image = Image.open(io.BytesIO(atlas.png), formats=["PNG"])
    if image.mode != "L" or image.size != (atlas.width, atlas.groups * atlas.height):
        raise ValueError(f"an atlas of {image.size[0]} x {image.size[1]} pixels ({image.mode}) does not fit")
    gray = np.asarray(image, np.float64).reshape(atlas.groups, atlas.height, atlas.width)
    return np.asarray(atlas.lo + gray / 255 * (atlas.hi - atlas.lo), np.float32)


def atlas_record(maps: Array) -> dict[str, Any]:
    """Maps (G, h, w) as ``{groups, height, width, lo, hi, png}`` with the PNG in base64."""
    atlas = encode_atlas(maps)
    return asdict(atlas) | {"png": base64.b64encode(atlas.png).decode("ascii")}


def maps_of_record(record: dict[str, Any]) -> Array:
    """The maps (G, h, w) of ``atlas_record``; other keys are ignored.

    Raises:
        KeyError, TypeError, ValueError, OSError: not such data.
    """
    atlas = {key: record[key] for key in _KEYS}
    return decode_atlas(Atlas(**atlas | {"png": base64.b64decode(record["png"], validate=True)}))
