"""The structure of an AVIF or HEIC: its boxes (ISO/IEC 14496-12) and the items that they list."""

from __future__ import annotations

from sge.images.tally import Found, Tally

_CONTAINERS = {
    b"meta": 4,
    b"iprp": 0,
    b"ipco": 0,
    b"iinf": 0,
    b"iref": 4,
    b"moov": 0,
    b"trak": 0,
    b"mdia": 0,
    b"minf": 0,
    b"stbl": 0,
    b"stsd": 8,
    b"grpl": 0,
    b"dinf": 0,
}
"""Boxes that hold boxes, with the bytes before them."""
_TABLES = {b"iloc": 6, b"ipma": 3, b"stts": 8, b"stsc": 12, b"stsz": 4, b"stco": 4, b"co64": 8}
"""Boxes that are tables, with the fewest bytes of a row."""
_METADATA = {b"colr", b"uuid", b"xml "}
_MAX_DEPTH = 12


def read_boxes(data: bytes, tally: Tally) -> Found:
    """Reads all boxes.

    Raises:
        ImageTooCostlyError: more than the limits allow.
    """
    tally.add_frames()
    sizes = [(0, 0)]
    _read(data, 0, len(data), tally, sizes, 0)
    # An item may be smaller than the whole (tiles, thumbnails), and none may be larger.
    size = max(width for width, _height in sizes), max(height for _width, height in sizes)
    return Found(size, 18.0)


def _read(data: bytes, at: int, end: int, tally: Tally, sizes: list[tuple[int, int]], depth: int) -> None:
    while at + 8 <= end:
        size, kind, head = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        stop = end if size == 0 else min(at + size, end)
        if stop < at + head:
            return
        tally.add_segments()
        start = at + head
        if kind in _CONTAINERS and depth < _MAX_DEPTH:
            skipped = (6 if data[start : start + 1] == b"\0" else 8) if kind == b"iinf" else _CONTAINERS[kind]
            _read(data, start + skipped, stop, tally, sizes, depth + 1)
        elif kind in _TABLES:
            _read_table(kind, stop - start, tally)
        elif kind == b"ispe" and stop - start >= 12:
            sizes.append(
                (int.from_bytes(data[start + 4 : start + 8]), int.from_bytes(data[start + 8 : start + 12]))
            )
        elif kind in (b"av01", b"hvc1", b"hev1") and stop - start >= 28:  # The image of a sequence.
            sizes.append(
                (int.from_bytes(data[start + 24 : start + 26]), int.from_bytes(data[start + 26 : start + 28]))
            )
        elif kind in _METADATA:
            tally.add_metadata(stop - start)
        at = stop


def _read_table(kind: bytes, length: int, tally: Tally) -> None:
    rows = max(0, length - 8) // _TABLES[kind]
    if kind in (b"iloc", b"ipma"):
        tally.add_segments(rows)
    else:  # One row, or fewer, for each sample of a sequence.
        tally.add_samples(rows)
