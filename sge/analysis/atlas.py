"""A block's maps as one 8-bit grey image: value = lo + v / 255 * (hi - lo)."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sge.arrays import Array


@dataclass(frozen=True)
class Atlas:
    """The maps of a block, quantised together."""

    groups: int
    height: int
    width: int
    lo: float
    hi: float
    png: bytes
    """Grey PNG, ``width`` wide and ``groups * height`` high: the maps one below the other."""


def encode_atlas(maps: Array) -> Atlas:
    """Quantises maps (G, h, w) to 8 bits between their common smallest and largest value.

    The error is at most (hi - lo) / 510; maps that are equal everywhere come back exactly.
    """
    groups, height, width = maps.shape
    lo, hi = float(maps.min()), float(maps.max())
    # In float64: in float32 a span near the smallest numbers would overflow the scale.
    unit = (maps.astype(np.float64) - lo) / (hi - lo) if hi > lo else np.zeros(maps.shape)
    grey = np.rint(unit * 255).astype(np.uint8).reshape(groups * height, width)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG", compress_level=4)
    return Atlas(groups, height, width, lo, hi, buffer.getvalue())


def decode_atlas(atlas: Atlas) -> Array:
    """Maps (G, h, w), float32, to within half a step of what was encoded.

    Raises:
        OSError, ValueError: not the PNG of such an atlas.
    """
    image = Image.open(io.BytesIO(atlas.png), formats=["PNG"])
    if image.mode != "L" or image.size != (atlas.width, atlas.groups * atlas.height):
        raise ValueError(f"an atlas of {image.size[0]} x {image.size[1]} pixels ({image.mode}) does not fit")
    grey = np.asarray(image, np.float64).reshape(atlas.groups, atlas.height, atlas.width)
    return np.asarray(atlas.lo + grey / 255 * (atlas.hi - atlas.lo), np.float32)
