"""One image file, and what it shows on white."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sge.arrays import Array

WIDTH, HEIGHT = 24, 16
WHITE = 255.0


@dataclass(frozen=True)
class Case:
    """An image file with its reference."""

    name: str
    data: bytes
    wanted: Array | None = None
    """(h, w, 3), 0 to 255, computed from the values that were written; None where only the browser is the reference."""
    tolerance: float = 1.0
    """Largest difference from ``wanted``, in levels of 255."""
    browser_tolerance: float = 1.0
    """Largest difference from what Chromium shows."""
    chromium: str = ""
    """Why Chromium shows something else; empty where it shows the same."""


def ramp(channels: int, top: int, height: int = HEIGHT, width: int = WIDTH) -> Array:
    """Different smooth values in every channel and position, float64 (h, w, channels), from 0 to ``top``."""
    y, x = np.mgrid[0:height, 0:width]
    kinds = (x / (width - 1), y / (height - 1), (x + y) / (width + height - 2), 1 - x / (width - 1))
    return np.rint(np.stack(kinds[:channels], -1) * top)


def srgb_to_linear(values: Array) -> Array:
    """sRGB 0 to 1 as linear light (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values.clip(0) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: Array) -> Array:
    """Linear light as sRGB from 0 to 255; what is outside of sRGB is clipped."""
    values = values.clip(0, 1)
    return 255 * np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)


def on_white(color: Array, alpha: Array) -> Array:
    """Unpremultiplied colors 0 to 255 with alpha 0 to 1, shown on white."""
    return color * alpha[..., None] + WHITE * (1 - alpha[..., None])


def gray(values: Array) -> Array:
    """One channel as three."""
    return np.repeat(values.reshape(*values.shape[:2], 1), 3, 2)


def upright(stored: Array, orientation: int) -> Array:
    """Pixels (h, w, 3) turned as an EXIF orientation from 1 to 8 says."""
    flipped = {
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(stored),
    }
    return flipped.get(orientation, stored)
