"""The input of a network at another size, made from an input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from sge.arrays import Array
from sge.images.framing import MAX_ASPECT, STRIDE, Frame
from sge.images.geometry import Geometry


def scaled_size(geometry: Geometry, size: int) -> tuple[int, int]:
    """Sides of an input that shows the same window at another scale.

    Args:
        geometry: Of an input.
        size: Shorter side, in input pixels, that the *whole* image has at this scale. Windows of extreme aspect are
            smaller, as with framing ``whole``.

    Returns:
        Width and height, both multiples of 32. With framing ``whole`` they are those of ``sge.frame(..., size=size)``.
    """
    left, top, right, bottom = geometry.window
    sides = right - left, bottom - top
    factor = min(size / min(geometry.image), MAX_ASPECT * size / max(sides))
    width, height = (max(1, round(side * factor / STRIDE)) * STRIDE for side in sides)
    return width, height


def scaled(array: Array, size: tuple[int, int]) -> Array:
    """Resizes the planes of an input by Pillow's bicubic filter with antialiasing.

    Args:
        array: (channels, h, w), float32.
        size: Width and height of the result.

    Returns:
        (channels, height, width), float32. The input itself if it has this size.
    """
    if array.shape[1:] == (size[1], size[0]):
        return array
    planes = [Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC) for plane in array]
    return np.stack([np.asarray(plane, np.float32) for plane in planes])


def scaled_frame(frame: Frame, size: int) -> Frame:
    """The frame at another scale: the same window of the image, as an input of another size.

    Args:
        frame: Of any framing.
        size: As in ``scaled_size``.
    """
    sides = scaled_size(frame.geometry, size)
    return replace(
        frame, array=scaled(frame.array, sides), geometry=replace(frame.geometry, input=sides, grids={})
    )


def scaled_sizes(geometry: Geometry, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Width and height of the inputs of several sizes, each once, ascending; see ``scaled_size``."""
    return sorted(
        {scaled_size(geometry, size) for size in sizes}, key=lambda sides: (sides[0] * sides[1], sides)
    )
