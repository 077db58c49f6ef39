"""Writes ICC profiles (ICC.1:2010) of every kind, byte by byte."""

from __future__ import annotations

import struct

import numpy as np

from sge.arrays import Array

D50 = np.array([0.9642, 1.0, 0.8249])
SRGB_TO_XYZ = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
"""sRGB's linear RGB to XYZ at D50 (columns are the primaries)."""
P3_TO_XYZ = np.array(
    [[0.5151187, 0.2919778, 0.1571035], [0.2411892, 0.6922441, 0.0665668], [-0.0010505, 0.0418791, 0.7840713]]
)
"""Display P3's, likewise."""
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def _s15(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def xyz(values: Array) -> bytes:
    return b"XYZ " + bytes(4) + _s15(*values)


def text(value: str) -> bytes:
    encoded = value.encode("utf-16be")
    return b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(encoded), 28) + encoded


def text_v2(value: str) -> bytes:
    return b"desc" + bytes(4) + struct.pack(">I", len(value) + 1) + value.encode() + bytes(1 + 4 + 4 + 3 + 67)


def gamma_curve(gamma: float) -> bytes:
    """A pure power; linear where gamma is 1."""
    if gamma == 1:
        return b"curv" + bytes(8)
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def sampled_curve(values: Array) -> bytes:
    """A table of values from 0 to 1."""
    return (
        b"curv"
        + bytes(4)
        + struct.pack(f">I{len(values)}H", len(values), *np.rint(values * 65535).astype(int))
    )


def parametric_curve(*values: float) -> bytes:
    """(g), or (g, a, b, c, d): x to (a x + b)^g from d on, c x below."""
    kind = {1: 0, 5: 3}[len(values)]
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + _s15(*values)


def profile(
    space: str, tags: dict[str, bytes], pcs: str = "XYZ ", version: int = 4, kind: str = "mntr"
) -> bytes:
    """A profile of a color space ("RGB ", "GRAY", "CMYK") with these tags."""
    named = {"desc": text("made") if version == 4 else text_v2("made"), "wtpt": xyz(D50)} | tags
    body, table, at = b"", struct.pack(">I", len(named)), 132 + 12 * len(named)
    for name, value in named.items():
        table += struct.pack(">4sII", name.encode(), at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = at + len(body)
    head = struct.pack(
        ">I4sI4s4s4s", size, b"lcms", version << 24, kind.encode(), space.encode(), pcs.encode()
    )
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _s15(*D50) + bytes(48)
    assert len(head) == 128
    return head + table + body


def rgb_profile(matrix: Array, curve: bytes, name: str = "made", version: int = 4) -> bytes:
    """A profile of three primaries (columns of ``matrix``, XYZ at D50) and one curve."""
    tags = {"desc": text(name) if version == 4 else text_v2(name)}
    tags |= {f"{c}XYZ": xyz(matrix[:, at]) for at, c in enumerate("rgb")}
    return profile("RGB ", tags | {f"{c}TRC": curve for c in "rgb"}, version=version)


def gray_profile(curve: bytes, version: int = 4) -> bytes:
    """A profile of a gray image."""
    return profile("GRAY", {"kTRC": curve}, version=version)


def xyz_to_lab(values: Array) -> Array:
    """XYZ relative to D50 as L*a*b*."""
    t = values / D50
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def lut_profile(
    space: str, channels: int, xyz_of: object, points: int = 9, kind: str = "mntr", bits: int = 16
) -> bytes:
    """A lookup table (lut8Type or lut16Type) from a device space to L*a*b*.

    Args:
        space: "RGB " or "CMYK".
        channels: Number of inputs.
        xyz_of: Function from device values (..., channels), 0 to 1, to XYZ at D50.
        points: Grid points of each input.
        kind: Device class: "mntr" or "prtr".
        bits: Of the table's values, 8 or 16.
    """
    steps = [np.linspace(0, 1, points)] * channels
    grid = np.stack(np.meshgrid(*steps, indexing="ij"), -1)
    lab = xyz_to_lab(xyz_of(grid))  # type: ignore[operator]
    head = bytes([channels, 3, points, 0]) + _s15(1, 0, 0, 0, 1, 0, 0, 0, 1)
    if bits == 8:
        eight = np.stack([lab[..., 0] * 2.55, lab[..., 1] + 128, lab[..., 2] + 128], -1)
        curves = bytes(range(256))
        body = np.rint(eight).clip(0, 255).astype(np.uint8).tobytes()
        table = b"mft1" + bytes(4) + head + curves * channels + body + curves * 3
        return profile(space, {"A2B0": table}, "Lab ", version=2, kind=kind)
    coded = np.stack([lab[..., 0] * 652.8, (lab[..., 1] + 128) * 256, (lab[..., 2] + 128) * 256], -1)
    coded = np.rint(coded).clip(0, 65535).astype(">u2").tobytes()
    identity = struct.pack(">2H", 0, 65535)
    table = b"mft2" + bytes(4) + head
    table += struct.pack(">2H", 2, 2) + identity * channels + coded + identity * 3
    return profile(space, {"A2B0": table}, "Lab ", version=2, kind=kind)
