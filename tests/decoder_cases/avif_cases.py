"""AVIF files: subsampling, range, alpha, color spaces, orientation."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

from sge.arrays import Array
from tests.decoder_cases.case import Case, gray, linear_to_srgb, on_white, ramp, srgb_to_linear, upright
from tests.decoder_cases.icc import (
    P3_TO_XYZ,
    SRGB_CURVE,
    gamma_curve,
    gray_profile,
    parametric_curve,
    rgb_profile,
)
from tests.decoder_cases.png_color_cases import SWAPPED, shown
from tests.drawn_images import encoded, exif


def nclx(data: bytes, primaries: int, transfer: int, matrix: int | None = None) -> bytes:
    """The file with another color space in its colr box."""
    at = data.index(b"nclx") + 4
    old = struct.unpack(">HHH", data[at : at + 6])
    new = struct.pack(">HHH", primaries, transfer, old[2] if matrix is None else matrix)
    return data[:at] + new + data[at + 6 :]


def turned_by_property(data: bytes, kind: bytes, value: int) -> bytes:
    """The file with the value of its irot or imir box replaced."""
    at = data.index(kind) + 4
    return data[:at] + bytes([value]) + data[at + 1 :]


FINE: dict[str, object] = {"quality": 100, "subsampling": "4:4:4"}
GRAY: dict[str, object] = {"quality": 100, "subsampling": "4:0:0"}
ALPHA = "Chromium 156 takes the opacity for a value of limited range."
REFUSED = "Chromium refuses the file."
SPACES = {
    "P3": (12, 13),
    "BT.709": (1, 1),
    "linear": (1, 8),
    "BT.2020 sRGB": (9, 13),
    "PQ": (9, 16),
    "HLG": (9, 18),
    "unspecified": (2, 2),
    "gamma 2.2": (1, 4),
    "gamma 2.8": (1, 5),
    "BT.601": (6, 6),
    "BT.470 BG": (5, 6),
    "DCI": (11, 17),
    "BT.2020": (9, 14),
    "xvYCC": (1, 11),
    "unknown": (99, 99),
    "BT.709 unspecified": (1, 2),
    "P3 unspecified": (12, 2),
    "unspecified linear": (2, 8),
}
"""Primaries and transfer by name."""


def _image(values: Array) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8))


def _modes(rgb: Array, rgba: Array) -> Iterator[Case]:
    image, one = _image(rgb), _image(rgb).convert("L")
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        for span in ("full", "limited"):
            data = encoded(image, "AVIF", quality=100, subsampling=subsampling, range=span)
            yield Case(f"avif {subsampling} {span}", data, rgb, 4 if subsampling == "4:4:4" else 25)
    yield Case("avif gray", encoded(one, "AVIF", **GRAY), gray(np.asarray(one)), 3)
    shown_alpha = on_white(rgba[..., :3], rgba[..., 3] / 255)
    alpha = _image(rgba)
    yield Case("avif alpha", encoded(alpha, "AVIF", **FINE), shown_alpha, 5, chromium=ALPHA)
    premultiplied = encoded(alpha, "AVIF", **FINE, alpha_premultiplied=True)
    yield Case("avif alpha premultiplied", premultiplied, shown_alpha, 5, chromium=ALPHA)
    yield Case("avif of low quality", encoded(image, "AVIF", quality=20))
    yield Case("avif of odd size", encoded(image.crop((0, 0, 23, 15)), "AVIF", quality=100))
    two = {"save_all": True, "append_images": [image.rotate(180)], "range": "limited"}
    yield Case("avif animated", encoded(image, "AVIF", **two, **FINE), rgb, 4)


def _color_spaces(rgb: Array, plain: bytes) -> Iterator[Case]:
    image, one = _image(rgb), _image(rgb).convert("L")
    swap = rgb_profile(SWAPPED, parametric_curve(*SRGB_CURVE), "sRGB")
    p3 = rgb_profile(P3_TO_XYZ, parametric_curve(*SRGB_CURVE))
    linear = gray_profile(gamma_curve(1))
    wanted = shown(rgb, SWAPPED, srgb_to_linear)
    yield Case("avif profile swapped", encoded(image, "AVIF", **FINE, icc_profile=swap), wanted, 6)
    wanted = shown(rgb, P3_TO_XYZ, srgb_to_linear)
    yield Case("avif profile P3", encoded(image, "AVIF", **FINE, icc_profile=p3), wanted, 14)
    for name, profile in (("gray", linear), ("broken", b"no profile")):
        data = encoded(image, "AVIF", **FINE, icc_profile=profile)
        yield Case(f"avif profile {name}", data, rgb, 4, chromium=REFUSED)
    wanted = gray(linear_to_srgb(np.asarray(one) / 255))
    yield Case("avif gray profile linear", encoded(one, "AVIF", **GRAY, icc_profile=linear), wanted, 6)
    for name, numbers in SPACES.items():
        refused = REFUSED if name == "xvYCC" else ""
        tolerance = {"PQ": 5.0, "HLG": 2.0}.get(name, 1.0)
        yield Case(f"avif nclx {name}", nclx(plain, *numbers), browser_tolerance=tolerance, chromium=refused)
    yield Case("avif nclx matrix 709", nclx(plain, 1, 13, 1))
    yield Case("avif gray nclx linear", nclx(encoded(one, "AVIF", **GRAY), 1, 8))
    yield Case("avif without nclx", plain.replace(b"colrnclx", b"freenclx"), rgb, 4)


def _structure(rgb: Array, plain: bytes) -> Iterator[Case]:
    image = _image(rgb)
    for turn in range(1, 9):
        data = encoded(image, "AVIF", **FINE, exif=exif(turn))
        yield Case(f"avif exif {turn}", data, upright(rgb, turn), 4)
    six = encoded(image, "AVIF", **FINE, exif=exif(6))
    without = six.replace(b"Exif\0\0\0\0", b"free\0\0\0\0")
    yield Case("avif irot without exif", without, upright(rgb, 6), 4)
    yield Case("avif exif 6 against irot 180", turned_by_property(six, b"irot", 2), upright(rgb, 3), 4)
    yield Case("avif with bytes after its end", plain + b"more" * 20, rgb, 4)
    yield Case("avif with a free box after its end", plain + b"\0\0\0\x10free12345678", rgb, 4)
    yield Case("avif brand mif1", plain.replace(b"ftypavif", b"ftypmif1"), rgb, 4)


def avif_cases() -> Iterator[Case]:
    """All of them."""
    rgb, rgba = ramp(3, 200) + 20, ramp(4, 200) + 20
    plain = encoded(_image(rgb), "AVIF", **FINE)
    yield from _modes(rgb, rgba)
    yield from _color_spaces(rgb, plain)
    yield from _structure(rgb, plain)
