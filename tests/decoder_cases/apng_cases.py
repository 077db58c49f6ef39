"""Animated PNG files, and those that say which way up they are."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from sge.arrays import Array
from tests.decoder_cases.case import HEIGHT, WIDTH, Case, ramp, upright
from tests.decoder_cases.png_cases import (
    PALETTE,
    RGB,
    RGBA,
    SIGNATURE,
    header,
    palette_chunk,
    pixel_data,
    png_file,
    trns,
)
from tests.drawn_images import chunk, exif

NOTHING = "Chromium shows nothing of a damaged animation."
LATE = "Chromium reads EXIF only before the pixels."


def fctl(
    number: int, width: int, height: int, x: int = 0, y: int = 0, dispose: int = 0, blend: int = 0
) -> bytes:
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, x, y, 1, 10, dispose, blend))


def actl(frames: int, plays: int = 0) -> bytes:
    return chunk(b"acTL", struct.pack(">II", frames, plays))


def fdat(number: int, values: Array, depth: int = 8) -> bytes:
    return chunk(b"fdAT", struct.pack(">I", number) + pixel_data(values, depth))


def _animations() -> Iterator[Case]:
    first, second = ramp(3, 255), 255 - ramp(3, 255)
    start = SIGNATURE + header(first, 8, RGB)
    end = chunk(b"IEND", b"")
    idat = chunk(b"IDAT", pixel_data(first, 8))
    full = fctl(0, WIDTH, HEIGHT)
    yield Case("apng", start + actl(2) + full + idat + fctl(1, WIDTH, HEIGHT) + fdat(2, second) + end, first)
    yield Case("apng with a stand-in", start + actl(1) + idat + full + fdat(1, second) + end, second)
    two = actl(2) + idat + full + fdat(1, second) + fctl(2, WIDTH, HEIGHT) + fdat(3, first) + end
    yield Case("apng of two frames with a stand-in", start + two, second)
    small = second[:5, :7]
    wanted = np.full_like(first, 255)
    wanted[3:8, 4:11] = small
    yield Case(
        "apng whose first frame is a part",
        start + actl(1) + idat + fctl(0, 7, 5, 4, 3) + fdat(1, small) + end,
        wanted,
    )


def _modes() -> Iterator[Case]:
    end = chunk(b"IEND", b"")
    full = fctl(0, WIDTH, HEIGHT)
    rgba = ramp(4, 255)
    rgba_start = SIGNATURE + header(rgba, 8, RGBA)
    rgba_idat = chunk(b"IDAT", pixel_data(rgba, 8))
    turned = rgba[::-1, ::-1]
    alpha = turned[..., 3:] / 255
    yield Case(
        "apng rgba stand-in",
        rgba_start + actl(1) + rgba_idat + fctl(0, WIDTH, HEIGHT, blend=1) + fdat(1, turned) + end,
        turned[..., :3] * alpha + 255 * (1 - alpha),
        1.6,
    )
    colors = np.random.RandomState(4).randint(0, 256, (16, 3)).astype(float)
    indices = (np.arange(WIDTH * HEIGHT) % 16).reshape(HEIGHT, WIDTH, 1).astype(float)
    p_start = SIGNATURE + header(indices, 8, PALETTE) + palette_chunk(colors) + chunk(b"tRNS", b"\0\x80")
    p_frame = indices[::-1]
    alphas = np.array([0, 128 / 255] + [1.0] * 14)[p_frame[..., 0].astype(int)][..., None]
    yield Case(
        "apng palette stand-in",
        p_start + actl(1) + chunk(b"IDAT", pixel_data(indices, 8)) + full + fdat(1, p_frame) + end,
        colors[p_frame[..., 0].astype(int)] * alphas + 255 * (1 - alphas),
        1.6,
    )
    deep = ramp(3, 65535)
    d_start = SIGNATURE + header(deep, 16, RGB) + trns(*deep[3, 3].astype(int))
    wanted = deep[::-1] / 257
    wanted[(deep[::-1] == deep[3, 3]).all(-1)] = 255
    yield Case(
        "apng 16 bit stand-in hides a color",
        d_start + actl(1) + chunk(b"IDAT", pixel_data(deep, 16)) + full + fdat(1, deep[::-1], 16) + end,
        wanted,
    )


def _damaged_animations() -> Iterator[Case]:
    first, second = ramp(3, 255), 255 - ramp(3, 255)
    start = SIGNATURE + header(first, 8, RGB)
    end = chunk(b"IEND", b"")
    idat = chunk(b"IDAT", pixel_data(first, 8))
    full = fctl(0, WIDTH, HEIGHT)
    yield Case("apng that announces no frame", start + actl(0) + idat + full + fdat(1, second) + end)
    yield Case("apng without its frames", start + actl(2) + idat + end, first, chromium=NOTHING)
    yield Case(
        "apng whose frame is outside",
        start + actl(1) + idat + fctl(0, WIDTH, HEIGHT, 5, 5) + fdat(1, second) + end,
        first,
        chromium=NOTHING,
    )
    yield Case(
        "apng whose first frame is broken",
        start + actl(1) + idat + full + chunk(b"fdAT", b"\0\0\0\1junk") + end,
        first,
        chromium=NOTHING,
    )


def _orientations() -> Iterator[Case]:
    values = ramp(3, 255)
    for turn in range(1, 9):
        block = exif(turn).removeprefix(b"Exif\0\0")
        wanted = upright(values, turn)
        yield Case(f"png exif {turn}", png_file(values, 8, RGB, chunk(b"eXIf", block)), wanted)
        late = png_file(values, 8, RGB, after=chunk(b"eXIf", block))
        yield Case(f"png exif {turn} after the pixels", late, wanted, chromium=LATE if turn > 1 else "")
    yield Case("png exif broken", png_file(values, 8, RGB, chunk(b"eXIf", b"MM\0*broken")), values)
    raw = b"\nexif\n      " + str(len(block) + 6).encode() + b"\n" + (b"Exif\0\0" + block).hex().encode()
    yield Case(
        "png raw profile exif 6",
        png_file(values, 8, RGB, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw))),
        values,
    )


def apng_cases() -> Iterator[Case]:
    """All of them."""
    yield from _animations()
    yield from _modes()
    yield from _damaged_animations()
    yield from _orientations()
