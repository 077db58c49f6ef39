"""JPEG files of every color space, subsampling and structure that decoders read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from sge.arrays import Array
from tests.decoder_cases.case import HEIGHT, WIDTH, Case, gray, linear_to_srgb, ramp, srgb_to_linear, upright
from tests.decoder_cases.icc import (
    P3_TO_XYZ,
    SRGB_CURVE,
    SRGB_TO_XYZ,
    gamma_curve,
    gray_profile,
    lut_profile,
    parametric_curve,
    rgb_profile,
)
from tests.decoder_cases.jpeg_writer import (
    ADOBE_RGB_OR_CMYK,
    ADOBE_YCBCR,
    ADOBE_YCCK,
    JFIF,
    adobe,
    jpeg_file,
    planes_of,
    segment,
    ycbcr,
)
from tests.decoder_cases.png_color_cases import SWAPPED, shown
from tests.drawn_images import encoded, exif

SIZE = (WIDTH, HEIGHT)
INKS = "Chromium turns inks to RGB before it applies their profile."
FULL = (1, 1)
SUBSAMPLED = {
    "4:4:4": [(1, 1)] * 3,
    "4:2:2": [(2, 1), FULL, FULL],
    "4:4:0": [(1, 2), FULL, FULL],
    "4:2:0": [(2, 2), FULL, FULL],
    "4:1:1": [(4, 1), FULL, FULL],
    "4:1:0": [(4, 2), FULL, FULL],
    "with luma of half the width": [(1, 1), (2, 1), (2, 1)],
    "with one chroma of half the width": [(2, 1), (2, 1), FULL],
}


def smooth() -> Array:
    return ramp(3, 200) + 20


def _icc_segments(data: bytes) -> bytes:
    return segment(0xE2, b"ICC_PROFILE\0\1\1" + data)


def _sampling() -> Iterator[Case]:
    rgb = smooth()
    for name, factors in SUBSAMPLED.items():
        data = jpeg_file(planes_of(ycbcr(rgb), factors), SIZE, JFIF)
        yield Case(f"jpeg {name}", data, rgb, 2.5 if name == "4:4:4" else 25)
    for width, height in ((1, 1), (7, 5), (17, 9)):
        odd = ramp(3, 200, height, width) if min(width, height) > 1 else np.full((1, 1, 3), 90.0)
        data = jpeg_file(planes_of(ycbcr(odd), SUBSAMPLED["4:4:4"]), (width, height), JFIF)
        yield Case(f"jpeg of {width} x {height}", data, odd, 2.5)
    one = smooth()[..., :1]
    yield Case("jpeg gray", jpeg_file(planes_of(one, [FULL]), SIZE, JFIF), gray(one), 2)
    yield Case("jpeg gray with a factor of 2", jpeg_file(planes_of(one, [(2, 2)]), SIZE, JFIF), gray(one), 2)


def _structure() -> Iterator[Case]:
    rgb = smooth()
    image = Image.fromarray(rgb.astype(np.uint8))
    planes = planes_of(ycbcr(rgb), SUBSAMPLED["4:4:4"])
    half = planes_of(ycbcr(rgb), SUBSAMPLED["4:2:0"])
    plain = jpeg_file(planes, SIZE, JFIF)
    yield Case("jpeg with restart markers", jpeg_file(planes, SIZE, JFIF, restart=1), rgb, 2.5)
    yield Case("jpeg with restart markers every 2", jpeg_file(half, SIZE, JFIF, restart=2), rgb, 25)
    yield Case("jpeg of three scans", jpeg_file(planes, SIZE, JFIF, interleaved=False), rgb, 2.5)
    yield Case("jpeg of three scans, 4:2:0", jpeg_file(half, SIZE, JFIF, interleaved=False), rgb, 25)
    yield Case("jpeg of an extended frame", jpeg_file(planes, SIZE, JFIF, frame=0xC1), rgb, 2.5)
    yield Case("jpeg without JFIF", jpeg_file(planes, SIZE), rgb, 2.5)
    yield Case("jpeg with a comment", jpeg_file(planes, SIZE, JFIF, segment(0xFE, b"text")), rgb, 2.5)
    yield Case("jpeg with fill bytes", plain.replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1), rgb, 2.5)
    yield Case("jpeg with bytes between segments", plain.replace(b"\xff\xdb", b"junk\xff\xdb", 1), rgb, 2.5)
    yield Case("jpeg with bytes after its end", plain + b"more" * 20, rgb, 2.5)
    yield Case("jpeg with a second one after it", plain + plain, rgb, 2.5)
    yield Case("jpeg without its end marker", plain[:-2], rgb, 2.5)
    yield Case("jpeg without the end marker's last byte", plain[:-1], rgb, 2.5)
    yield Case("jpeg with zeros for its end marker", plain[:-2] + bytes(2), rgb, 2.5)
    yield Case(
        "jpeg progressive", encoded(image, "JPEG", quality=95, progressive=True, subsampling=0), rgb, 6
    )
    yield Case(
        "jpeg progressive 4:2:0", encoded(image, "JPEG", quality=95, progressive=True, subsampling=2), rgb, 25
    )
    yield Case(
        "jpeg progressive gray", encoded(image.convert("L"), "JPEG", quality=95, progressive=True), None
    )
    yield Case("jpeg of low quality", encoded(image, "JPEG", quality=10), None)
    mpo = encoded(image, "MPO", save_all=True, append_images=[image.rotate(180)], quality=95, subsampling=0)
    yield Case("jpeg of two images (MPO)", mpo, rgb, 6)


def _color_spaces() -> Iterator[Case]:
    rgb = smooth()
    full = [FULL] * 3
    numbers = [ord(letter) for letter in "RGB"]
    yield Case("jpeg rgb, Adobe 0", jpeg_file(planes_of(rgb, full), SIZE, adobe(ADOBE_RGB_OR_CMYK)), rgb, 2)
    yield Case(
        "jpeg YCbCr, Adobe 1", jpeg_file(planes_of(ycbcr(rgb), full), SIZE, adobe(ADOBE_YCBCR)), rgb, 2.5
    )
    yield Case("jpeg YCbCr, Adobe 2", jpeg_file(planes_of(ycbcr(rgb), full), SIZE, adobe(ADOBE_YCCK)))
    yield Case("jpeg rgb by letters", jpeg_file(planes_of(rgb, full, numbers), SIZE), rgb, 2)
    yield Case("jpeg letters and JFIF", jpeg_file(planes_of(rgb, full, numbers), SIZE, JFIF))
    yield Case(
        "jpeg letters and Adobe 1", jpeg_file(planes_of(ycbcr(rgb), full, numbers), SIZE, adobe(1)), rgb, 2.5
    )
    yield Case("jpeg JFIF and Adobe 0", jpeg_file(planes_of(rgb, full), SIZE, JFIF, adobe(0)))
    yield Case("jpeg components 0 1 2", jpeg_file(planes_of(ycbcr(rgb), full, [0, 1, 2]), SIZE))
    yield Case("jpeg components 7 8 9", jpeg_file(planes_of(ycbcr(rgb), full, [7, 8, 9]), SIZE))
    inks = ramp(4, 200) + 20
    direct = inks[..., :3] * inks[..., 3:] / 255
    four = [FULL] * 4
    yield Case("jpeg inks, Adobe 0", jpeg_file(planes_of(inks, four), SIZE, adobe(0)), direct, 3)
    ycck = np.concatenate([255 - ycbcr(inks[..., :3]), inks[..., 3:]], -1)
    ycck[..., 1:3] = 256 - ycbcr(inks[..., :3])[..., 1:]
    ycck = np.concatenate([ycbcr(255 - inks[..., :3]), inks[..., 3:]], -1)
    yield Case("jpeg inks as YCCK", jpeg_file(planes_of(ycck, four), SIZE, adobe(ADOBE_YCCK)), direct, 4)
    half = planes_of(ycck, [(2, 2), FULL, FULL, (2, 2)])
    yield Case("jpeg inks as YCCK 4:2:0", jpeg_file(half, SIZE, adobe(ADOBE_YCCK)), direct, 30)
    yield Case("jpeg inks without Adobe", jpeg_file(planes_of(inks, four), SIZE))
    yield Case("jpeg inks, Adobe 1", jpeg_file(planes_of(inks, four), SIZE, adobe(1)))
    image = Image.fromarray(inks.astype(np.uint8), "CMYK")
    yield Case(
        "jpeg inks of Pillow", encoded(image, "JPEG", quality=100, subsampling=0), 255 - _with_black(inks), 4
    )
    press = lut_profile("CMYK", 4, _ink_light, 9, "prtr")
    wanted = linear_to_srgb((inks[..., :3] / 255) ** 2 * (inks[..., 3:] / 255))
    yield Case(
        "jpeg inks with a profile",
        jpeg_file(planes_of(inks, four), SIZE, adobe(0), _icc_segments(press)),
        wanted,
        14,
        chromium=INKS,
    )
    yield Case(
        "jpeg inks as YCCK with a profile",
        jpeg_file(planes_of(ycck, four), SIZE, adobe(2), _icc_segments(press)),
        wanted,
        14,
        chromium=INKS,
    )
    yield Case(
        "jpeg inks with a profile of colors",
        jpeg_file(
            planes_of(inks, four), SIZE, adobe(0), _icc_segments(rgb_profile(SWAPPED, gamma_curve(2.2)))
        ),
        direct,
        3,
    )


def _with_black(inks: Array) -> Array:
    return 255 - (255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255


def _ink_light(values: Array) -> Array:
    return ((1 - values[..., :3]) ** 2 * (1 - values[..., 3:])) @ SRGB_TO_XYZ.T


def _profiles() -> Iterator[Case]:
    rgb = smooth()
    planes = planes_of(ycbcr(rgb), SUBSAMPLED["4:4:4"])
    p3 = rgb_profile(P3_TO_XYZ, parametric_curve(*SRGB_CURVE))
    swap = rgb_profile(SWAPPED, parametric_curve(*SRGB_CURVE), "sRGB built-in")
    yield Case(
        "jpeg profile P3",
        jpeg_file(planes, SIZE, JFIF, _icc_segments(p3)),
        shown(rgb, P3_TO_XYZ, srgb_to_linear),
        6,
    )
    yield Case(
        "jpeg profile swapped",
        jpeg_file(planes, SIZE, JFIF, _icc_segments(swap)),
        shown(rgb, SWAPPED, srgb_to_linear),
        4,
    )
    cut = [
        segment(0xE2, b"ICC_PROFILE\0" + bytes([at + 1, 2]) + part)
        for at, part in enumerate((swap[:300], swap[300:]))
    ]
    wanted = shown(rgb, SWAPPED, srgb_to_linear)
    yield Case("jpeg profile in two segments", jpeg_file(planes, SIZE, *cut), wanted, 4)
    yield Case("jpeg profile in two segments, turned", jpeg_file(planes, SIZE, *cut[::-1]), wanted, 4)
    yield Case("jpeg profile with a part missing", jpeg_file(planes, SIZE, cut[0]), rgb, 2.5)
    one = smooth()[..., :1]
    linear = _icc_segments(gray_profile(gamma_curve(1)))
    yield Case(
        "jpeg gray profile linear",
        jpeg_file(planes_of(one, [FULL]), SIZE, JFIF, linear),
        gray(linear_to_srgb(one / 255)),
        6,
    )
    yield Case(
        "jpeg gray with a profile of colors",
        jpeg_file(planes_of(one, [FULL]), SIZE, JFIF, _icc_segments(swap)),
    )
    yield Case("jpeg color with a gray profile", jpeg_file(planes, SIZE, JFIF, linear), rgb, 2.5)


def _orientations() -> Iterator[Case]:
    rgb = smooth()
    planes = planes_of(ycbcr(rgb), SUBSAMPLED["4:4:4"])
    for turn in (*range(10), 255):
        data = jpeg_file(planes, SIZE, segment(0xE1, exif(turn)))
        yield Case(f"jpeg exif {turn}", data, upright(rgb, turn), 2.5)
    six = exif(6)
    yield Case(
        "jpeg exif after the tables",
        jpeg_file(planes, SIZE).replace(b"\xff\xc0", segment(0xE1, six) + b"\xff\xc0"),
        upright(rgb, 6),
        2.5,
    )
    yield Case(
        "jpeg exif after JFIF", jpeg_file(planes, SIZE, JFIF, segment(0xE1, six)), upright(rgb, 6), 2.5
    )
    yield Case(
        "jpeg of two exif",
        jpeg_file(planes, SIZE, segment(0xE1, exif(3)), segment(0xE1, six)),
        upright(rgb, 3),
        2.5,
    )
    yield Case("jpeg exif cut", jpeg_file(planes, SIZE, segment(0xE1, six[:20])), rgb, 2.5)
    little = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    yield Case(
        "jpeg exif little endian", jpeg_file(planes, SIZE, segment(0xE1, little)), upright(rgb, 6), 2.5
    )
    as_long = little.replace(b"\x12\x01\x03\0", b"\x12\x01\x04\0")
    yield Case("jpeg exif as a long", jpeg_file(planes, SIZE, segment(0xE1, as_long)), rgb, 2.5)
    two = little.replace(b"\x03\0\x01\0\0\0", b"\x03\0\x02\0\0\0")
    yield Case("jpeg exif of two values", jpeg_file(planes, SIZE, segment(0xE1, two)), rgb, 2.5)
    xmp = (
        b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'>"
        b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        b"<rdf:Description xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation='6'/>"
        b"</rdf:RDF></x:xmpmeta>"
    )
    yield Case("jpeg orientation in XMP alone", jpeg_file(planes, SIZE, segment(0xE1, xmp)), rgb, 2.5)


def jpeg_cases() -> Iterator[Case]:
    """All of them."""
    yield from _sampling()
    yield from _structure()
    yield from _color_spaces()
    yield from _profiles()
    yield from _orientations()
