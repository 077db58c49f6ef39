"""The structure of a GIF: its blocks."""

from __future__ import annotations

from sge.images.tally import Found, Tally

_EXTENSION, _IMAGE = 0x21, 0x2C
_COMMENT, _APPLICATION, _PLAIN_TEXT = 0xFE, 0xFF, 0x01
_FEW = 4096
"""Data blocks between two counts."""


def read_gif_blocks(data: bytes, tally: Tally) -> Found:
    """Reads the blocks of a GIF up to its end.

    Raises:
        ImageTooCostlyError: more than the limits allow.
    """
    width, height = _number(data, 6), _number(data, 8)
    at = 13 + _palette(data, 10)
    while at < len(data):
        kind = data[at]
        tally.add_segments()
        if kind == _EXTENSION:
            end = _end_of_data(data, at + 2, tally)
            if data[at + 1 : at + 2] and data[at + 1] in (_COMMENT, _APPLICATION, _PLAIN_TEXT):
                tally.add_metadata(end - at)
        elif kind == _IMAGE:
            tally.add_frames()
            if tally.frames == 1:  # The first image may reach beyond the canvas, which then grows.
                width = max(width, _number(data, at + 1) + _number(data, at + 5))
                height = max(height, _number(data, at + 3) + _number(data, at + 7))
            end = _end_of_data(data, at + 11 + _palette(data, at + 9), tally)
        else:
            break
        at = end
    return Found((width, height), 18.0)


def _end_of_data(data: bytes, at: int, tally: Tally) -> int:
    """Offset after the data blocks that begin here."""
    count, end = 0, len(data)
    while at < end and (length := data[at]):
        at += length + 1
        count += 1
        if count == _FEW:
            tally.add_data_blocks(count)
            count = 0
    tally.add_data_blocks(count)
    return at + 1


def _palette(data: bytes, at: int) -> int:
    """Bytes of the palette that flags announce."""
    flags = data[at] if at < len(data) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")
