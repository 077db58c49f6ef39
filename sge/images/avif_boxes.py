"""Reads the color space that an AVIF states by numbers, which Pillow does not pass on."""

from __future__ import annotations

from collections.abc import Iterator

MAX_BOXES = 2000
"""Boxes that are looked at; a file of more is read no further."""


def nclx_of(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer (ITU-T H.273) of the shown image; None if the file states none, or is damaged.

    Args:
        data: The file. Of a still image the properties of its primary item count, of a sequence those of the track.
    """
    boxes = dict(_boxes(data, 0, len(data)))
    if b"moov" in boxes and data[8:12] == b"avis":
        return _first_nclx(data, *boxes[b"moov"])
    if b"meta" not in boxes:
        return None
    start, end = boxes[b"meta"]
    meta = dict(_boxes(data, start + 4, end))
    if b"iprp" not in meta or b"pitm" not in meta:
        return None
    properties = dict(_boxes(data, *meta[b"iprp"]))
    if b"ipco" not in properties or b"ipma" not in properties:
        return None
    listed = list(_boxes(data, *properties[b"ipco"]))
    for index in _associated(data, properties[b"ipma"], _primary(data, *meta[b"pitm"])):
        if 0 < index <= len(listed) and listed[index - 1][0] == b"colr":
            at = listed[index - 1][1][0]
            if data[at : at + 4] == b"nclx":
                return _number(data, at + 4, 2), _number(data, at + 6, 2)
    return None


def _first_nclx(data: bytes, start: int, end: int) -> tuple[int, int] | None:
    at = data.find(b"colrnclx", start, end)
    return None if at < 0 else (_number(data, at + 8, 2), _number(data, at + 10, 2))


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size])


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Kind, and start and end of the content, of each box (ISO/IEC 14496-12)."""
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, kind, head = _number(data, start, 4), data[start + 4 : start + 8], 8
        if size == 1:
            size, head = _number(data, start + 8, 8), 16
        size = end - start if size == 0 else size
        if size < head or start + size > end:
            return
        yield kind, (start + head, start + size)
        start += size


def _primary(data: bytes, start: int, end: int) -> int:
    return _number(data, start + 4, 2 if data[start : start + 1] == b"\0" else 4)


def _associated(data: bytes, box: tuple[int, int], item: int) -> list[int]:
    """Indices, from 1, of the properties of an item (ipma)."""
    at, end = box
    if end - at < 8:
        return []
    wide_items, wide_indices = data[at] > 0, bool(data[at + 3] & 1)
    at += 8
    for _ in range(min(_number(data, at - 4, 4), MAX_BOXES)):
        size = 4 if wide_items else 2
        if at + size >= end:
            return []
        number, count = _number(data, at, size), data[at + size]
        at += size + 1
        step = 2 if wide_indices else 1
        if number == item:
            mask = 0x7FFF if wide_indices else 0x7F
            return [_number(data, at + step * each, step) & mask for each in range(count)]
        at += step * count
    return []
