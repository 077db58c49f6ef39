"""Writes ICC profiles of color spaces that are given by numbers, and checks those that files carry."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sge.arrays import Array

DAMAGED_PROFILE = "The color profile is damaged and was ignored."
OTHER_PROFILE = "The color profile describes another kind of values than the image has, and was ignored."

MAX_PROFILE = 4 * 1024 * 1024
"""Bytes of an unpacked color profile; a larger one is ignored."""

D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D65 = (0.3127, 0.3290)

SRGB_PRIMARIES = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)


@dataclass(frozen=True)
class Curve:
    """From a coded value x to linear light: (a x + b)^gamma from ``start`` on, ``slope`` x below it."""

    gamma: float
    a: float = 1.0
    b: float = 0.0
    slope: float = 0.0
    start: float = 0.0


SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def rgb_profile(primaries: Sequence[float], curve: Curve) -> bytes | None:
    """The profile of a space of three primaries and one curve.

    Args:
        primaries: White, red, green and blue as x, y.
        curve: From coded values to linear light.

    Returns:
        The profile; None if the primaries are no triangle around a white.
    """
    matrix = to_xyz(primaries)
    if matrix is None:
        return None
    coded = _parametric(curve)
    columns = {f"{name}XYZ": _xyz(matrix[:, at]) for at, name in enumerate("rgb")}
    return _profile(columns | {f"{name}TRC": coded for name in "rgb"})


def gamma_space(gamma: float, primaries: object = None) -> bytes | None:
    """The profile of a PNG's gAMA, with the primaries of its cHRM or those of sRGB.

    Args:
        gamma: The exponent of the encoder; 1 / 2.2 within 5 % is sRGB if no primaries are given, as in Chromium.
        primaries: White, red, green and blue as x, y.

    Returns:
        None for sRGB, and if the numbers describe no color space.
    """
    if not 0.05 <= gamma <= 20:
        return None
    if not isinstance(primaries, list | tuple):
        return None if abs(2.2 * gamma - 1) < 0.05 else rgb_profile(SRGB_PRIMARIES, Curve(1 / gamma))
    return rgb_profile(primaries, Curve(1 / gamma)) if len(primaries) == 8 else None


def profile_space(profile: bytes) -> str | None:
    """Color space of the values that a profile describes: ``RGB``, ``GRAY``, ``CMYK`` or another one's name.

    Returns:
        None if the profile is damaged, or is none that describes the values of an image. The rules are those of
        Chromium: the size in the header is at most the profile's, its white is D50, all tags lie inside of it, and it
        has a curve for each channel and primaries, or a table of colors.
    """
    if not 132 <= len(profile) <= MAX_PROFILE or profile[36:40] != b"acsp" or profile[8] > 4:
        return None
    white = struct.unpack_from(">3i", profile, 68)
    off = max(abs(value / 65536 - wanted) for value, wanted in zip(white, D50, strict=True))
    if int.from_bytes(profile[:4]) > len(profile) or off > 0.01:
        return None
    tags = _tags(profile)
    if tags is None:
        return None
    space = profile[16:20].decode("latin-1").strip()
    table = bool(tags & {b"A2B0", b"A2B1"})
    curves = {b"rTRC", b"gTRC", b"bTRC", b"rXYZ", b"gXYZ", b"bXYZ"} <= tags
    if space == "GRAY" and not table and profile[20:24] != b"XYZ ":
        return "GRAY by L*"  # Chromium does not read it.
    usable = {"RGB": table or curves, "GRAY": table or b"kTRC" in tags}.get(space, table)
    return space if usable else None


def for_lcms(profile: bytes) -> bytes:
    """A usable profile, changed so that lcms reads it as Chromium does: its class does not matter."""
    tags = _tags(profile) or set()
    return profile if tags & {b"A2B0", b"A2B1"} else profile[:12] + b"mntr" + profile[16:]


def _tags(profile: bytes) -> set[bytes] | None:
    count = int.from_bytes(profile[128:132])
    size = int.from_bytes(profile[:4])
    if not 0 < count <= 200 or 132 + 12 * count > size:
        return None
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * at) for at in range(count)]
    if any(offset + length > size or length < 4 for _, offset, length in entries):
        return None
    return {name for name, _, _ in entries}


def to_xyz(primaries: Sequence[float]) -> Array | None:
    """Linear RGB to XYZ at D50, adapted by Bradford's matrix.

    Args:
        primaries: White, red, green and blue as x, y.

    Returns:
        (3, 3); None if the primaries are no triangle around a white.
    """
    xy = np.asarray(primaries, np.float64).reshape(4, 2)
    if not ((xy >= 0) & (xy <= 1)).all() or xy[0, 1] <= 0:
        return None
    columns = np.stack([*xy[1:].T, 1 - xy[1:].sum(1)])
    white = np.array([xy[0, 0], xy[0, 1], 1 - xy[0].sum()]) / xy[0, 1]
    if abs(np.linalg.det(columns)) < 1e-6:
        return None
    response = _BRADFORD @ np.stack([white, D50], 1)
    if (response[:, 0] <= 0).any():
        return None
    adapt = np.linalg.inv(_BRADFORD) @ np.diag(response[:, 1] / response[:, 0]) @ _BRADFORD
    matrix: Array = adapt @ (columns * np.linalg.solve(columns, white))
    return matrix if np.isfinite(matrix).all() and (np.abs(matrix) < 30).all() else None


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _xyz(values: Sequence[float] | Array) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(*values)


def _parametric(curve: Curve) -> bytes:
    if (curve.a, curve.b, curve.slope, curve.start) == (1, 0, 0, 0):
        return b"para" + bytes(4) + struct.pack(">HH", 0, 0) + _fixed(curve.gamma)
    values = curve.gamma, curve.a, curve.b, curve.slope, curve.start
    return b"para" + bytes(4) + struct.pack(">HH", 3, 0) + _fixed(*values)


def _profile(tags: dict[str, bytes]) -> bytes:
    """An ICC.1:2010 profile of a display with these tags."""
    text = "made".encode("utf-16be")
    name = b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text
    all_tags = {"desc": name, "wtpt": _xyz(D50)} | tags
    body, table, start = b"", struct.pack(">I", len(all_tags)), 132 + 12 * len(all_tags)
    for tag, value in all_tags.items():
        table += struct.pack(">4sII", tag.encode(), start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"lcms", 4 << 24, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*D50) + bytes(48)
    return head + table + body


SRGB = rgb_profile(SRGB_PRIMARIES, SRGB_CURVE) or b""
