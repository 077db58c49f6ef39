"""PNG files of every color type, bit depth, interlacing and kind of transparency."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from sge.arrays import Array
from tests.decoder_cases.case import HEIGHT, WHITE, WIDTH, Case, gray, on_white, ramp
from tests.drawn_images import chunk

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def _row(values: Array, depth: int) -> bytes:
    flat = values.reshape(-1).astype(np.int64)
    if depth == 16:
        return flat.astype(">u2").tobytes()
    bits = (flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.reshape(-1).astype(np.uint8)).tobytes()


def pixel_data(values: Array, depth: int, interlaced: bool = False) -> bytes:
    """The compressed rows of values (h, w, channels)."""
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = [
        b"\0" + _row(row, depth)
        for left, top, dx, dy in passes
        for row in values[top::dy, left::dx]
        if row.size
    ]
    return zlib.compress(b"".join(rows))


def header(values: Array, depth: int, color: int, interlaced: bool = False) -> bytes:
    height, width = values.shape[:2]
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))


def png_file(
    values: Array, depth: int, color: int, *extra: bytes, interlaced: bool = False, after: bytes = b""
) -> bytes:
    """A PNG of values (h, w, channels) with further chunks before and after the pixels."""
    idat = chunk(b"IDAT", pixel_data(values, depth, interlaced))
    start = SIGNATURE + header(values, depth, color, interlaced) + b"".join(extra)
    return start + idat + after + chunk(b"IEND", b"")


def palette_chunk(colors: Array) -> bytes:
    return chunk(b"PLTE", colors.astype(np.uint8).tobytes())


def trns(*values: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


def _opaque() -> Iterator[Case]:
    for interlaced in (False, True):
        name = " interlaced" if interlaced else ""
        for depth in (1, 2, 4, 8, 16):
            top = 2**depth - 1
            values = ramp(1, top)
            data = png_file(values, depth, GRAY, interlaced=interlaced)
            yield Case(f"png gray {depth} bit{name}", data, gray(values) / top * 255)
        for depth in (8, 16):
            top = 2**depth - 1
            values = ramp(3, top)
            yield Case(
                f"png rgb {depth} bit{name}",
                png_file(values, depth, RGB, interlaced=interlaced),
                values / top * 255,
            )


def _alpha() -> Iterator[Case]:
    for depth in (8, 16):
        top = 2**depth - 1
        values = ramp(2, top)
        wanted = on_white(gray(values[..., 0]) / top * 255, values[..., 1] / top)
        yield Case(f"png gray alpha {depth} bit", png_file(values, depth, GRAY_ALPHA), wanted, 1.6)
        values = ramp(4, top)
        wanted = on_white(values[..., :3] / top * 255, values[..., 3] / top)
        yield Case(f"png rgba {depth} bit", png_file(values, depth, RGBA), wanted, 1.6)


def _one_transparent_color() -> Iterator[Case]:
    for depth in (1, 2, 4, 8, 16):
        top = 2**depth - 1
        values = ramp(1, top)
        for hidden in sorted({0, int(values[3, 7, 0]), top}):
            wanted = gray(values) / top * 255
            wanted[values[..., 0] == hidden] = WHITE
            yield Case(
                f"png gray {depth} bit hides {hidden}", png_file(values, depth, GRAY, trns(hidden)), wanted
            )
    for depth in (8, 16):
        top = 2**depth - 1
        values = ramp(3, top)
        values[2:5, 3:9] = values[3, 3]
        hidden = values[3, 3].astype(int)
        values[0, 0] = hidden + np.array([0, 0, 1])  # A neighbor, which is not hidden.
        wanted = values / top * 255
        wanted[(values == hidden).all(-1)] = WHITE
        data = png_file(values, depth, RGB, trns(*hidden), interlaced=depth == 16)
        yield Case(f"png rgb {depth} bit hides a color", data, wanted)


def _palettes() -> Iterator[Case]:
    rs = np.random.RandomState(1)
    for depth in (1, 2, 4, 8):
        count = 2**depth
        colors = rs.randint(0, 256, (count, 3)).astype(float)
        indices = (np.arange(WIDTH * HEIGHT) % count).reshape(HEIGHT, WIDTH, 1).astype(float)
        shown = colors[indices[..., 0].astype(int)]
        yield Case(
            f"png palette {depth} bit", png_file(indices, depth, PALETTE, palette_chunk(colors)), shown
        )
        alpha = rs.randint(0, 256, max(1, count - 1))
        alpha[0] = 0
        wanted = on_white(shown, np.append(alpha, [255])[indices[..., 0].astype(int)] / 255)
        extra = palette_chunk(colors), chunk(b"tRNS", alpha.astype(np.uint8).tobytes())
        yield Case(
            f"png palette {depth} bit with alpha", png_file(indices, depth, PALETTE, *extra), wanted, 1.6
        )
    short = palette_chunk(np.array([[200, 0, 0], [0, 200, 0]]))
    indices = np.zeros((HEIGHT, WIDTH, 1))
    indices[:, 5:] = 1
    indices[:, 9:] = 7
    wanted = np.zeros((HEIGHT, WIDTH, 3))
    wanted[:, :5], wanted[:, 5:9] = (200, 0, 0), (0, 200, 0)
    wanted[:, 9:] = (0, 200, 0)  # The last color.
    yield Case("png palette with an index outside", png_file(indices, 8, PALETTE, short), wanted)
    suggested = palette_chunk(np.array([[9, 9, 9]]))
    values = ramp(3, 255)
    yield Case("png rgb with a suggested palette", png_file(values, 8, RGB, suggested), values)


def _odd_structure() -> Iterator[Case]:
    values = ramp(3, 255)
    whole = png_file(values, 8, RGB)
    yield Case("png with bytes after its end", whole + b"more" * 20, values)
    yield Case("png without its last chunk", whole[:-12], values)
    yield Case("png whose last chunk is cut", whole[:-5], values)
    packed = pixel_data(values, 8)
    pieces = b"".join(chunk(b"IDAT", packed[at : at + 7]) for at in range(0, len(packed), 7))
    start = SIGNATURE + header(values, 8, RGB)
    yield Case("png in pieces of 7 bytes", start + pieces + chunk(b"IEND", b""), values)
    yield Case(
        "png with empty pieces",
        start + chunk(b"IDAT", b"") + pieces + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        values,
    )
    yield Case("png with a private chunk", png_file(values, 8, RGB, chunk(b"prVt", b"x" * 99)), values)
    broken_text = bytearray(chunk(b"tEXt", b"Comment\0text"))
    broken_text[-1] ^= 1
    yield Case("png text with a wrong checksum", png_file(values, 8, RGB, bytes(broken_text)), values)


def png_cases() -> Iterator[Case]:
    """All of them."""
    yield from _opaque()
    yield from _alpha()
    yield from _one_transparent_color()
    yield from _palettes()
    yield from _odd_structure()
