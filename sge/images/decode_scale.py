"""At which fraction of its sides a JPEG may be decoded for a network, which sees fewer pixels than a camera makes."""

from __future__ import annotations

import math

from sge.images.framing import fixed_scale, input_size, whole_size
from sge.images.preprocess import Preprocess
from sge.images.structure import Structure

MARGIN = 2
"""A side is decoded with at least as many times the pixels that the network's input has along it.

With 2, logits change by 3 to 4 % of their norm (median; at most 6 %), about as much as by saving a photo twice more as JPEG
of quality 90 (2 % each time; at most 4 %). Measured by ``scripts/measure/jpeg_scale.py`` on the samples at 128 and 160 px.
"""
_SCALES = (8, 4, 2)


def jpeg_scale(found: Structure, preprocess: Preprocess, framing: str, longest: int = 0) -> int:
    """The largest fraction at which enough pixels remain.

    Args:
        found: The file's structure.
        preprocess: Of the network.
        framing: ``whole`` or ``center``.
        longest: The longest side that is needed for something else, in pixels.

    Returns:
        1 (everything), 2, 4 or 8; 1 for other formats.
    """
    if found.format != "JPEG" or not found.pixels:
        return 1
    sides = found.width, found.height
    side = input_size(preprocess, framing)
    if preprocess.fixed is not None:
        shorter = math.ceil(min(sides) * fixed_scale(sides, preprocess, framing))
    elif framing == "whole":
        shorter = min(whole_size(sides, side))
    else:
        shorter = max(side, round(side * preprocess.resize / preprocess.size))
    return next(
        (
            scale
            for scale in _SCALES
            if min(sides) >= MARGIN * scale * shorter and max(sides) >= scale * longest
        ),
        1,
    )
