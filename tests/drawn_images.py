"""Makes image bytes: unusual modes, damaged files, headers with wrong sizes."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
REFUSED = ("TIFF", "BMP", "PDF", "ICO", "PPM", "TGA", "SVG", "HTML", "text", "random", "zeros", "ZIP")
LOSSLESS: dict[str, dict[str, Any]] = {"PNG": {}, "WEBP": {"lossless": True}, "GIF": {}}

# How the upright image is stored for EXIF orientations 1 to 8.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The file that Pillow writes."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def scene(width: int = 48, height: int = 32) -> Image.Image:
    """A smooth image with four different corners, so that every rotation or flip changes it."""
    y, x = np.mgrid[0:height, 0:width]
    channels = (
        x * 200 // max(width - 1, 1),
        y * 200 // max(height - 1, 1),
        (x + y) * 100 // (width + height),
    )
    return Image.fromarray((np.stack(channels, 2) + 20).astype(np.uint8))


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """Random pixels: the hardest content for a resize."""
    values = np.random.RandomState(seed).randint(0, 256, (height, width, 3))
    return Image.fromarray(values.astype(np.uint8))


def turned(upright: Image.Image, turn: int, kind: str = "PNG", **options: Any) -> bytes:
    """A file with turned pixels and the EXIF orientation that makes them upright."""
    way = STORED_AS[turn]
    stored = upright if way is None else upright.transpose(way)
    return encoded(stored, kind, exif=exif(turn), **options)


def exif(turn: int) -> bytes:
    """An EXIF block with only an orientation."""
    block = Image.Exif()
    block[0x0112] = turn
    return block.tobytes()


def refused(kind: str) -> bytes:
    """Bytes that are not an image of an accepted format."""
    if kind in ("TIFF", "BMP", "PDF", "ICO", "PPM", "TGA"):
        return encoded(scene(), kind)
    return {
        "SVG": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "HTML": b"<!doctype html><html><body><img src='dog.jpg'></body></html>",
        "text": b"JPEG PNG GIF",
        "random": np.random.RandomState(3).bytes(5000),
        "zeros": bytes(5000),
        "ZIP": b"PK\x03\x04" + bytes(100),
    }[kind]


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int, height: int, depth: int, color: int, rows: list[bytes], *extra: bytes, after: bytes = b""
) -> bytes:
    """A PNG written byte by byte, for kinds that Pillow reads but does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", pixels), after, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def claiming(kind: str, width: int, height: int) -> bytes:
    """A file of a few hundred bytes whose header claims another size than its content has."""
    if kind == "PNG":
        return png(width, height, 8, 2, [b"\0\0\0"])
    data = bytearray(encoded(scene(), kind))
    if kind == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height, width)
    elif kind == "GIF":
        data[6:10] = struct.pack("<HH", width, height)
    elif kind == "AVIF":
        at = data.index(b"ispe") + 8
        data[at : at + 8] = struct.pack(">II", width, height)
    else:
        assert data[12:16] == b"VP8 "
        data[26:30] = struct.pack("<HH", width, height)
    return bytes(data)


def animation(kind: str, frames: list[Image.Image]) -> bytes:
    """An animation, lossless where the format allows."""
    options = LOSSLESS.get(kind, {"quality": 95})
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **options)
