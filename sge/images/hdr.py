"""Maps images of high dynamic range to sRGB as Chromium does for a display of standard brightness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from sge.arrays import Array
from sge.images.profiles import SRGB_PRIMARIES, to_xyz

PQ, HLG = "PQ", "HLG"
_WHITE_NITS = 203.0
"""Luminance of a white page (ITU-R BT.2408)."""
_PEAK_NITS = 1000.0
"""The brightest that the mapping keeps apart."""
_ROWS_PIXELS = 1_000_000
"""Pixels that are converted at a time, which bounds the memory."""


@dataclass(frozen=True)
class HdrSpace:
    """Primaries as white, red, green and blue in x, y; and the curve, ``PQ`` or ``HLG``."""

    primaries: tuple[float, ...]
    kind: str


def hdr_to_srgb(image: Image.Image, space: HdrSpace) -> Image.Image:
    """The image in sRGB; what is brighter than white is compressed and not cut.

    Args:
        image: Mode RGB with coded values of the space.
        space: The values' meaning.
    """
    out = Image.new("RGB", image.size)
    rows = max(1, _ROWS_PIXELS // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        out.paste(Image.fromarray(_converted(np.asarray(image.crop(box)), space)), box)
    return out


def _converted(coded: Array, space: HdrSpace) -> Array:
    """uint8 values (h, w, 3) of the space as uint8 sRGB."""
    steps = np.linspace(0, 1, 256, dtype=np.float32)
    light = (_pq(steps) if space.kind == PQ else _hlg(steps))[coded]
    to_d50 = _matrix(space.primaries)
    if space.kind == HLG:  # The system gamma of 1.2 (ITU-R BT.2100) depends on the luminance.
        luminance = np.maximum(light @ to_d50[1], 1e-6)[..., None]
        light = light * luminance ** np.float32(0.2) * np.float32(_PEAK_NITS / _WHITE_NITS)
    brightest = light.max(-1, keepdims=True)
    light = light * (_tone_mapped(brightest) / np.maximum(brightest, 1e-6))
    rgb = (light @ (np.linalg.inv(_matrix(SRGB_PRIMARIES)) @ to_d50).T.astype(np.float32)).clip(0, 1)
    srgb = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** np.float32(1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * srgb), np.uint8)


def _matrix(primaries: tuple[float, ...]) -> Array:
    matrix = to_xyz(primaries)
    assert matrix is not None
    return matrix


def _pq(coded: Array) -> Array:
    """SMPTE ST 2084: coded 0 to 1 as light, 1 for a white page."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = coded ** (1 / m2)
    return np.asarray(
        (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * (10_000 / _WHITE_NITS), np.float32
    )


def _hlg(coded: Array) -> Array:
    """ITU-R BT.2100: coded 0 to 1 as light of the scene, 0 to 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.asarray(np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - c) / a) + b) / 12), np.float32)


def _tone_mapped(light: Array) -> Array:
    """Half of the light up to a white page; above, a parabola through the peak (SMPTE ST 2094-50, RWTMO)."""
    peak = _PEAK_NITS / _WHITE_NITS
    middle_x, middle_y = 0.35 + 0.65 * 2, 0.35 * 0.5 + 0.65
    a, b = 1 - 2 * middle_x + peak, 2 * (middle_x - 1)
    t = (np.sqrt(b**2 + 4 * a * np.maximum(light - 1, 0)) - b) / (2 * a)
    t = t.clip(0, 1)
    curve = 0.5 * (1 - t) ** 2 + 2 * t * (1 - t) * middle_y + t**2
    return np.asarray(np.where(light <= 1, light / 2, curve), np.float32)
