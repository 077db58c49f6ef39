"""A small baseline JPEG encoder (ITU-T T.81) for kinds of files that Pillow does not write."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil

import numpy as np
from PIL import Image

from sge.arrays import Array

_ZIGZAG = sorted(range(64), key=lambda at: (at // 8 + at % 8, at // 8 if (at // 8 + at % 8) % 2 else at % 8))
_FREQUENCY = np.arange(8)
_DCT = np.cos((2 * _FREQUENCY[None] + 1) * _FREQUENCY[:, None] * np.pi / 16) / 2
_DCT[0] /= np.sqrt(2)
ADOBE_RGB_OR_CMYK, ADOBE_YCBCR, ADOBE_YCCK = 0, 1, 2


@dataclass(frozen=True)
class Plane:
    """One component: its values at its own resolution, and its sampling factors."""

    values: Array
    across: int = 1
    down: int = 1
    number: int | None = None


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def adobe(transform: int) -> bytes:
    return segment(0xEE, b"Adobe\0d\0\0\0\0" + bytes([transform]))


JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")


@cache
def _tables() -> tuple[bytes, dict[tuple[int, int], dict[int, str]]]:
    """The standard Huffman tables, from a file that Pillow has written: their segments, and their codes."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")
    data, at, segments, codes = out.getvalue(), 2, b"", {}
    while data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] == 0xC4:
            segments += data[at : at + 2 + length]
            codes |= _codes(data[at + 4 : at + 2 + length])
        at += 2 + length
    return segments, codes


def _codes(table: bytes) -> dict[tuple[int, int], dict[int, str]]:
    found = {}
    while table:
        kind, counts = divmod(table[0], 16), table[1:17]
        code, at, codes = 0, 17, {}
        for length, count in enumerate(counts, 1):
            for _ in range(count):
                codes[table[at]] = f"{code:0{length}b}"
                code, at = code + 1, at + 1
            code <<= 1
        found[kind] = codes
        table = table[at:]
    return found


def _bits(value: int) -> tuple[int, str]:
    size = abs(value).bit_length()
    return size, f"{value if value > 0 else value + (1 << size) - 1:0{size}b}" if size else ""


def _block(values: Array, last: int, table: int) -> tuple[str, int]:
    coefficients = np.rint(_DCT @ (values - 128) @ _DCT.T).astype(int).reshape(-1)[_ZIGZAG]
    codes = _tables()[1]
    size, bits = _bits(int(coefficients[0]) - last)
    out, zeros = codes[0, table][size] + bits, 0
    for value in coefficients[1:].tolist():
        if value == 0:
            zeros += 1
            continue
        while zeros > 15:
            out, zeros = out + codes[1, table][0xF0], zeros - 16
        size, bits = _bits(value)
        out, zeros = out + codes[1, table][zeros * 16 + size] + bits, 0
    return out + (codes[1, table][0] if zeros else ""), int(coefficients[0])


def _packed(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8) if bits else b""
    return data.replace(b"\xff", b"\xff\0")


def _scan(
    planes: Sequence[Plane], size: tuple[int, int], restart: int, together: bool, most: tuple[int, int]
) -> bytes:
    width, height = size
    if together:
        units = [(plane.across, plane.down) for plane in planes]
        cols, rows = -(-width // (8 * most[0])), -(-height // (8 * most[1]))
    else:  # A scan of one component has one block a unit, and only the blocks that the image needs.
        units = [(1, 1)]
        cols = ceil(ceil(width * planes[0].across / most[0]) / 8)
        rows = ceil(ceil(height * planes[0].down / most[1]) / 8)
    out, bits, last = b"", "", [0] * len(planes)
    for number in range(rows * cols):
        if restart and number and number % restart == 0:
            out += _packed(bits) + bytes([0xFF, 0xD0 + (number // restart - 1) % 8])
            bits, last = "", [0] * len(planes)
        row, col = divmod(number, cols)
        for at, (plane, (across, down)) in enumerate(zip(planes, units, strict=True)):
            for y in range(down):
                for x in range(across):
                    top, left = (row * down + y) * 8, (col * across + x) * 8
                    lines = np.arange(top, top + 8).clip(max=plane.values.shape[0] - 1)
                    columns = np.arange(left, left + 8).clip(max=plane.values.shape[1] - 1)
                    coded, last[at] = _block(plane.values[np.ix_(lines, columns)], last[at], 0)
                    bits += coded
    return out + _packed(bits)


def jpeg_file(
    planes: Sequence[Plane],
    size: tuple[int, int],
    *extra: bytes,
    restart: int = 0,
    interleaved: bool = True,
    depth: int = 8,
    frame: int = 0xC0,
    end: bytes = b"\xff\xd9",
) -> bytes:
    """A baseline JPEG with quantization 1 of components at their own resolutions.

    Args:
        planes: Components, in the file's color space.
        size: Width and height of the image.
        extra: Segments after the first marker.
        restart: Units between restart markers; 0 for none.
        interleaved: One scan for all components, or one for each.
        depth: The precision that the header states.
        frame: The marker of the frame.
        end: What follows the last scan.
    """
    numbers = [plane.number or at + 1 for at, plane in enumerate(planes)]
    out = b"\xff\xd8" + b"".join(extra) + segment(0xDB, b"\0" + b"\1" * 64) + _tables()[0]
    components = b"".join(
        bytes([number, plane.across * 16 + plane.down, 0])
        for number, plane in zip(numbers, planes, strict=True)
    )
    out += segment(frame, struct.pack(">BHHB", depth, size[1], size[0], len(planes)) + components)
    if restart:
        out += segment(0xDD, struct.pack(">H", restart))
    most = max(plane.across for plane in planes), max(plane.down for plane in planes)
    scans = [range(len(planes))] if interleaved else [[at] for at in range(len(planes))]
    for scan in scans:
        chosen = [planes[at] for at in scan]
        head = bytes([len(chosen)]) + b"".join(bytes([numbers[at], 0]) for at in scan) + b"\0\x3f\0"
        out += segment(0xDA, head) + _scan(chosen, size, restart, interleaved and len(planes) > 1, most)
    return out + end


def ycbcr(rgb: Array) -> Array:
    """RGB as YCbCr (JFIF)."""
    r, g, b = np.moveaxis(rgb, -1, 0)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return np.stack([y, 128 + (b - y) / 1.772, 128 + (r - y) / 1.402], -1)


def planes_of(
    values: Array, factors: Sequence[tuple[int, int]], numbers: Sequence[int | None] | None = None
) -> list[Plane]:
    """Components (h, w, channels) with these sampling factors; each is averaged to its own resolution."""
    most = max(across for across, _ in factors), max(down for _, down in factors)
    out = []
    for at, (across, down) in enumerate(factors):
        step_x, step_y = most[0] // across, most[1] // down
        h, w = values.shape[0] // step_y * step_y, values.shape[1] // step_x * step_x
        cells = values[:h, :w, at].reshape(h // step_y, step_y, w // step_x, step_x)
        out.append(Plane(cells.mean((1, 3)), across, down, numbers[at] if numbers else None))
    return out
