"""AVIF files: subsampling, range, alpha, color spaces, orientation."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.decoder_cases.case import HEIGHT, WIDTH, Case, gray, on_white, ramp, srgb_to_linear
from tests.decoder_cases.icc import P3_TO_XYZ, SRGB_CURVE, gamma_curve, gray_profile, parametric_curve, rgb_profile
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


def avif_cases() -> Iterator[Case]:
    """All of them."""
    rgb, rgba = ramp(3, 200) + 20, ramp(4, 200) + 20
    image = Image.fromarray(rgb.astype(np.uint8))
    alpha = Image.fromarray(rgba.astype(np.uint8))
    fine = {"quality": 100, "subsampling": "4:4:4"}
    plain = encoded(image, "AVIF", **fine)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        for span in ("full", "limited"):
            data = encoded(image, "AVIF", quality=100, subsampling=subsampling, range=span)
            yield Case(f"avif {subsampling} {span}", data, rgb, 4 if subsampling == "4:4:4" else 25)
    one = image.convert("L")
    yield Case("avif gray", encoded(one, "AVIF", quality=100, subsampling="4:0:0"), gray(np.asarray(one)), 3)
    yield Case("avif alpha", encoded(alpha, "AVIF", **fine), on_white(rgba[..., :3], rgba[..., 3] / 255), 5)
    yield Case("avif alpha premultiplied", encoded(alpha, "AVIF", **fine, alpha_premultiplied=True), on_white(rgba[..., :3], rgba[..., 3] / 255), 5)
    yield Case("avif of low quality", encoded(image, "AVIF", quality=20), None)
    swap = rgb_profile(SWAPPED, parametric_curve(*SRGB_CURVE), "sRGB")
    p3 = rgb_profile(P3_TO_XYZ, parametric_curve(*SRGB_CURVE))
    yield Case("avif profile swapped", encoded(image, "AVIF", **fine, icc_profile=swap), shown(rgb, SWAPPED, srgb_to_linear), 6)
    yield Case("avif profile P3", encoded(image, "AVIF", **fine, icc_profile=p3), shown(rgb, P3_TO_XYZ, srgb_to_linear), 8)
    yield Case("avif profile gray", encoded(image, "AVIF", **fine, icc_profile=gray_profile(gamma_curve(1))), None)
    yield Case("avif profile broken", encoded(image, "AVIF", **fine, icc_profile=b"no profile"), None)
    yield Case("avif gray profile linear", encoded(one, "AVIF", quality=100, subsampling="4:0:0", icc_profile=gray_profile(gamma_curve(1))), None)
    for primaries, transfer, name in (
        (12, 13, "P3"), (1, 1, "BT.709"), (1, 8, "linear"), (9, 13, "BT.2020 sRGB"), (9, 16, "PQ"), (9, 18, "HLG"),
        (2, 2, "unspecified"), (1, 4, "gamma 2.2"), (1, 5, "gamma 2.8"), (6, 6, "BT.601"), (5, 6, "BT.470 BG"),
        (11, 17, "DCI"), (9, 14, "BT.2020"), (1, 11, "xvYCC"), (99, 99, "unknown"), (1, 2, "709 unspecified"), (12, 2, "P3 unspecified"), (2, 8, "unspecified linear"),
    ):
        yield Case(f"avif nclx {name}", nclx(plain, primaries, transfer), None)
    both = nclx(plain, 12, 13)
    yield Case("avif nclx matrix 709", nclx(plain, 1, 13, 1), None)
    yield Case("avif gray nclx linear", nclx(encoded(one, "AVIF", quality=100, subsampling="4:0:0"), 1, 8), None)
    yield Case("avif without nclx", plain.replace(b"colrnclx", b"freenclx"), None)
    assert both != plain
    for turn in range(1, 9):
        yield Case(f"avif exif {turn}", encoded(image, "AVIF", **fine, exif=exif(turn)), None)
    six = encoded(image, "AVIF", **fine, exif=exif(6))
    yield Case("avif irot without exif", six.replace(b"Exif\0\0\0\0", b"free\0\0\0\0"), None)
    yield Case("avif exif 6 against irot 180", turned_by_property(six, b"irot", 2), None)
    yield Case("avif exif 6 without irot", six.replace(b"irot", b"free"), None)
    frames = [image, image.rotate(180)]
    yield Case("avif animated", encoded(image, "AVIF", save_all=True, append_images=frames[1:], **fine), rgb, 4)
    yield Case("avif with bytes after its end", plain + b"more" * 20, rgb, 4)
    yield Case("avif with a free box after its end", plain + b"\0\0\0\x10free12345678", rgb, 4)
    yield Case("avif brand mif1", plain.replace(b"ftypavif", b"ftypmif1"), rgb, 4)
    yield Case("avif of odd size", encoded(image.crop((0, 0, 23, 15)), "AVIF", quality=100), None)
