"""PNG files that say which color space their values are in."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from sge.arrays import Array
from tests.decoder_cases.case import HEIGHT, WIDTH, Case, gray, linear_to_srgb, ramp, srgb_to_linear
from tests.decoder_cases.icc import (
    P3_TO_XYZ,
    SRGB_CURVE,
    SRGB_TO_XYZ,
    gamma_curve,
    gray_profile,
    lut_profile,
    parametric_curve,
    profile,
    rgb_profile,
    sampled_curve,
)
from tests.decoder_cases.png_cases import (
    GRAY,
    GRAY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    palette_chunk,
    png_file,
    trns,
)
from tests.drawn_images import chunk

XYZ_TO_SRGB = np.linalg.inv(SRGB_TO_XYZ)
SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3_PRIMARIES = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
SWAPPED = SRGB_TO_XYZ[:, [1, 0, 2]]


def iccp(data: bytes) -> bytes:
    return chunk(b"iCCP", b"name\0\0" + zlib.compress(data))


def gama(gamma: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))


def chrm(primaries: tuple[float, ...]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in primaries)))


def cicp(primaries: int, transfer: int, matrix: int = 0, full: int = 1) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, matrix, full]))


SRGB_CHUNK = chunk(b"sRGB", b"\0")


def shown(values: Array, matrix: Array, decode_curve: object) -> Array:
    """Values 0 to 255 of a space given by its matrix and its curve, in sRGB."""
    linear = decode_curve(values / 255)  # type: ignore[operator]
    return linear_to_srgb(linear @ matrix.T @ XYZ_TO_SRGB.T)


def _power(gamma: float) -> object:
    return lambda values: values**gamma


def _profiles() -> Iterator[Case]:
    values = ramp(3, 255)
    wide = shown(values, P3_TO_XYZ, srgb_to_linear)
    curve = parametric_curve(*SRGB_CURVE)
    linear = shown(values, SRGB_TO_XYZ, _power(1))
    swapped = shown(values, SWAPPED, srgb_to_linear)
    table = sampled_curve(srgb_to_linear(np.linspace(0, 1, 1024)))
    kinds = {
        "P3": (rgb_profile(P3_TO_XYZ, curve), wide),
        "P3 named sRGB": (rgb_profile(P3_TO_XYZ, curve, "sRGB IEC61966-2.1"), wide),
        "P3 of version 2": (rgb_profile(P3_TO_XYZ, table, version=2), wide),
        "linear sRGB": (rgb_profile(SRGB_TO_XYZ, gamma_curve(1), "Linear sRGB"), linear),
        "gamma 1.8": (rgb_profile(SRGB_TO_XYZ, gamma_curve(1.8)), shown(values, SRGB_TO_XYZ, _power(1.8))),
        "swapped primaries": (rgb_profile(SWAPPED, curve, "sRGB"), swapped),
        "sRGB": (rgb_profile(SRGB_TO_XYZ, curve), values),
        "table of colors": (
            lut_profile("RGB ", 3, lambda v: srgb_to_linear(v) @ P3_TO_XYZ.T, 17, bits=8),
            None,
        ),
        "gray for color": (gray_profile(gamma_curve(1)), values),
        "inks for color": (lut_profile("CMYK", 4, _inks, 5, "prtr"), values),
        "nothing": (b"", values),
        "noise": (bytes(range(200)), values),
        "half a profile": (rgb_profile(P3_TO_XYZ, curve)[:300], values),
        "without primaries": (profile("RGB ", {"rTRC": curve, "gTRC": curve, "bTRC": curve}), values),
        "of negative size": (b"\xff" * 4 + rgb_profile(P3_TO_XYZ, curve)[4:], values),
    }
    for name, (data, wanted) in kinds.items():
        # Between the colors of a table, lcms interpolates in tetrahedra and Chromium in cubes.
        tolerance = 8 if name == "table of colors" else 1
        yield Case(f"png profile {name}", png_file(values, 8, RGB, iccp(data)), wanted, 2.5, tolerance)
    deep = ramp(3, 65535)
    yield Case(
        "png 16 bit profile P3",
        png_file(deep, 16, RGB, iccp(kinds["P3"][0])),
        shown(deep // 256, P3_TO_XYZ, srgb_to_linear),
        2.5,
    )
    yield Case(
        "png 16 bit profile linear",
        png_file(deep, 16, RGB, iccp(kinds["linear sRGB"][0])),
        shown(deep // 256, SRGB_TO_XYZ, _power(1)),
        2.5,
    )
    yield from _profiles_of_other_modes(kinds["swapped primaries"][0])


def _inks(values: Array) -> Array:
    return ((1 - values[..., :3]) * (1 - values[..., 3:])) @ SRGB_TO_XYZ.T


def _profiles_of_other_modes(swap: bytes) -> Iterator[Case]:
    one = ramp(1, 255)
    linear = gray(linear_to_srgb(one / 255))
    data = iccp(gray_profile(gamma_curve(1)))
    yield Case("png gray profile linear", png_file(one, 8, GRAY, data), linear, 1.6)
    yield Case(
        "png gray profile gamma 3",
        png_file(one, 8, GRAY, iccp(gray_profile(gamma_curve(3)))),
        gray(linear_to_srgb((one / 255) ** 3)),
        2.5,
    )
    yield Case(
        "png gray 16 bit profile linear",
        png_file(ramp(1, 65535), 16, GRAY, data),
        gray(linear_to_srgb(ramp(1, 65535) / 65535)),
        1.6,
    )
    both = ramp(2, 255)
    wanted = linear_to_srgb(both[..., :1] / 255) * both[..., 1:] / 255 + 255 - both[..., 1:]
    yield Case("png gray alpha profile linear", png_file(both, 8, GRAY_ALPHA, data), gray(wanted), 2.5)
    yield Case("png gray with a profile of colors", png_file(one, 8, GRAY, iccp(swap)))
    hidden = ramp(3, 255)
    wanted = shown(hidden, SWAPPED, srgb_to_linear)
    wanted[(hidden == hidden[3, 3]).all(-1)] = 255
    yield Case(
        "png rgb hides a color, profile",
        png_file(hidden, 8, RGB, trns(*hidden[3, 3].astype(int)), iccp(swap)),
        wanted,
        2.5,
    )
    rgba = ramp(4, 255)
    alpha = rgba[..., 3:] / 255
    wanted = shown(rgba[..., :3], SWAPPED, srgb_to_linear) * alpha + 255 * (1 - alpha)
    yield Case("png rgba profile", png_file(rgba, 8, RGBA, iccp(swap)), wanted, 2.5)
    colors = np.random.RandomState(2).randint(0, 256, (16, 3)).astype(float)
    indices = (np.arange(WIDTH * HEIGHT) % 16).reshape(HEIGHT, WIDTH, 1).astype(float)
    wanted = shown(colors, SWAPPED, srgb_to_linear)[indices[..., 0].astype(int)]
    yield Case(
        "png palette profile", png_file(indices, 8, PALETTE, iccp(swap), palette_chunk(colors)), wanted, 2.5
    )


ADOBE_TO_XYZ = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
PROPHOTO_TO_XYZ = np.array([[0.7977, 0.1352, 0.0313], [0.2880, 0.7119, 0.0001], [0.0, 0.0, 0.8249]])


def profile_cases() -> Iterator[Case]:
    """Profiles of many spaces, classes and versions, and damaged ones."""
    values, one = ramp(3, 255), ramp(1, 255)

    def png(data: bytes) -> bytes:
        return png_file(values, 8, RGB, iccp(data))

    table = sampled_curve(srgb_to_linear(np.linspace(0, 1, 1024)))
    curves = {
        "gamma 1.8": (gamma_curve(1.8), _power(1.8)),
        "gamma 2.2": (gamma_curve(2.19921875), _power(2.19921875)),
        "a table": (table, srgb_to_linear),
    }
    for space, matrix in (("Adobe", ADOBE_TO_XYZ), ("ProPhoto", PROPHOTO_TO_XYZ)):
        for curve, (coded, decoded) in curves.items():
            for version in (2, 4):
                data = png(rgb_profile(matrix, coded, version=version))
                name = f"png profile {space}, {curve}, version {version}"
                yield Case(name, data, shown(values, matrix, decoded), 2.5, 2)
    good = rgb_profile(ADOBE_TO_XYZ, gamma_curve(2.2))
    wanted = shown(values, ADOBE_TO_XYZ, _power(2.2))
    for kind in ("scnr", "prtr", "spac", "link", "abst"):
        yield Case(f"png profile of class {kind}", png(good[:12] + kind.encode() + good[16:]), wanted, 2.5)
    yield Case("png profile with bytes after it", png(good + b"x" * 99), wanted, 2.5)
    ignored = {
        "of version 5": good[:8] + b"\5" + good[9:],
        "without its mark": good[:36] + b"xxxx" + good[40:],
        "of another white": good[:68] + bytes(12) + good[80:],
        "without a curve": good.replace(b"gTRC", b"xTRC"),
    }
    ignored |= {f"cut at {end}": good[:end] for end in (0, 50, 127, 131, 132, 200, len(good) - 1)}
    for name, data in ignored.items():
        yield Case(f"png profile {name}", png(data), values)
    for name, coded in (("linear", gamma_curve(1)), ("gamma 2.2", gamma_curve(2.2))):
        data = iccp(profile("GRAY", {"kTRC": coded}, pcs="Lab "))
        yield Case(f"png gray profile by L*, {name}", png_file(one, 8, GRAY, data), gray(one))


def _chunks() -> Iterator[Case]:
    values = ramp(3, 255)
    one = ramp(1, 255)
    p3 = rgb_profile(P3_TO_XYZ, parametric_curve(*SRGB_CURVE))
    sets = {
        "gAMA 1": [gama(1)],
        "gAMA 0.45455": [gama(0.45455)],
        "gAMA 0.55556": [gama(0.55556)],
        "gAMA 0": [gama(0)],
        "cHRM of P3": [chrm(P3_PRIMARIES)],
        "cHRM of P3 and gAMA 0.45455": [chrm(P3_PRIMARIES), gama(0.45455)],
        "cHRM of P3 and gAMA 1": [gama(1), chrm(P3_PRIMARIES)],
        "cHRM of sRGB and gAMA 1": [gama(1), chrm(SRGB_PRIMARIES)],
        "cHRM of zeros and gAMA 1": [gama(1), chrm((0.0,) * 8)],
        "sRGB over gAMA and cHRM": [SRGB_CHUNK, gama(1), chrm(P3_PRIMARIES)],
        "gAMA and cHRM before sRGB": [gama(1), chrm(P3_PRIMARIES), SRGB_CHUNK],
        "iCCP over gAMA": [gama(1), iccp(p3)],
        "iCCP and sRGB": [SRGB_CHUNK, iccp(p3)],
        "sRGB and iCCP": [iccp(p3), SRGB_CHUNK],
        "broken iCCP and gAMA 1": [iccp(b"no"), gama(1)],
        "broken iCCP, gAMA and cHRM": [iccp(b"no"), gama(1), chrm(P3_PRIMARIES)],
        "cICP P3": [cicp(12, 13)],
        "cICP sRGB over iCCP": [cicp(1, 13), iccp(p3)],
        "cICP P3 over sRGB": [SRGB_CHUNK, cicp(12, 13)],
        "cICP linear": [cicp(1, 8)],
        "cICP BT.2020": [cicp(9, 1)],
        "cICP BT.2020 PQ": [cicp(9, 16)],
        "cICP BT.2100 HLG": [cicp(9, 18)],
        "cICP BT.709": [cicp(1, 1)],
        "cICP unknown": [cicp(77, 77)],
        "cICP unspecified": [cicp(2, 2)],
        "cICP limited range": [cicp(12, 13, 0, 0)],
        "cICP of a matrix": [cicp(12, 13, 1, 1)],
        "cICP SMPTE 170M": [cicp(6, 6)],
        "cICP gamma 2.8": [cicp(1, 5)],
        "cICP DCI": [cicp(11, 17)],
    }
    hdr = {"cICP BT.2020 PQ": 6.0, "cICP BT.2100 HLG": 2.0}
    for name, extra in sets.items():
        data = png_file(values, 8, RGB, *extra)
        refused = "Chromium refuses the file." if name == "cICP of a matrix" else ""
        yield Case(f"png {name}", data, browser_tolerance=hdr.get(name, 1), chromium=refused)
    yield Case("png gray gAMA 1", png_file(one, 8, GRAY, gama(1)))
    yield Case("png gray gAMA 1 and cHRM", png_file(one, 8, GRAY, gama(1), chrm(SRGB_PRIMARIES)))
    yield Case("png gray cICP linear", png_file(one, 8, GRAY, cicp(1, 8)))
    yield Case(
        "png gray 4 bit gAMA 1, hides 3",
        png_file(ramp(1, 15), 4, GRAY, gama(1), chrm(SRGB_PRIMARIES), trns(3)),
    )
    colors = np.random.RandomState(3).randint(0, 256, (16, 3)).astype(float)
    indices = (np.arange(WIDTH * HEIGHT) % 16).reshape(HEIGHT, WIDTH, 1).astype(float)
    yield Case(
        "png palette gAMA 1",
        png_file(indices, 4, PALETTE, gama(1), chrm(SRGB_PRIMARIES), palette_chunk(colors)),
    )
    yield Case(
        "png 16 bit cICP BT.2020 PQ", png_file(ramp(3, 65535), 16, RGB, cicp(9, 16)), browser_tolerance=20
    )
    yield Case("png 16 bit gAMA 1", png_file(ramp(3, 65535), 16, RGB, gama(1), chrm(SRGB_PRIMARIES)))


def png_color_cases() -> Iterator[Case]:
    """All of them."""
    yield from profile_cases()
    yield from _profiles()
    yield from _chunks()
