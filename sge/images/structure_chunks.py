"""The structure of a PNG and of a WebP: their chunks."""

from __future__ import annotations

from sge.images.tally import Found, Tally

_PNG_METADATA = {b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"eXIf"}
_WEBP_METADATA = {b"ICCP", b"EXIF", b"XMP "}
_INTERLACED = 7
_ANIMATION_HEAD = 16
"""Bytes of an ANMF chunk before its own chunks."""


def read_png_chunks(data: bytes, tally: Tally) -> Found:
    """Reads the chunks of a PNG up to its end.

    Raises:
        ImageTooCostlyError: more than the limits allow.
    """
    tally.add_frames()
    at, has_key = 8, False
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        tally.add_segments()
        if kind in _PNG_METADATA:
            tally.add_metadata(min(length, len(data) - at))
        elif kind == b"tRNS":
            has_key = True
        elif kind == b"fcTL":
            tally.add_frames()
        elif kind == b"IEND":
            break
        at += 12 + length
    if data[12:16] != b"IHDR" or len(data) < 29:
        return Found((0, 0), 0)
    size = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    depth, color, interlaced = data[24], data[25], data[28]
    # With 16 bits a channel, or with transparency, values are decoded twice or composed with white.
    deep, clear = depth == 16, color in (4, 6) or has_key
    per_pixel = 8.0 + (14.0 if clear else 0.0) + (8.0 if deep else 0.0)
    return Found(size, per_pixel, _INTERLACED if interlaced else 1)


def read_webp_chunks(data: bytes, tally: Tally) -> Found:
    """Reads the chunks of a WebP, and of the frames of an animation.

    Raises:
        ImageTooCostlyError: more than the limits allow.
    """
    sizes = [(0, 0)]
    at = 12
    while at + 8 <= len(data):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        tally.add_segments()
        if kind in _WEBP_METADATA:
            tally.add_metadata(min(length, len(data) - at))
        elif kind == b"VP8X":
            sizes.append((1 + _triple(data, at + 12), 1 + _triple(data, at + 15)))
        elif kind == b"ANMF":
            tally.add_frames()
            sizes.append((1 + _triple(data, at + 14), 1 + _triple(data, at + 17)))
            length = _ANIMATION_HEAD  # Its own chunks follow and are read as the others.
        elif kind == b"VP8 " and data[at + 11 : at + 14] == b"\x9d\x01\x2a":
            sizes.append((_pair(data, at + 14) & 0x3FFF, _pair(data, at + 16) & 0x3FFF))
        elif kind == b"VP8L" and data[at + 8 : at + 9] == b"\x2f":
            bits = int.from_bytes(data[at + 9 : at + 13], "little")
            sizes.append((1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)))
        at += 8 + length + (length & 1)
    size = max(width for width, _height in sizes), max(height for _width, height in sizes)
    return Found(size, 22.0)


def _pair(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _triple(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")
