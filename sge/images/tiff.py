"""Reads the first directory of a TIFF header, with which EXIF and most raw photos begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MAGIC = (b"II*\0", b"MM\0*")


class Entry(NamedTuple):
    """One entry of a directory."""

    tag: int
    type: int
    length: int
    """Number of values."""
    value: int
    """The first 16 bits of its value."""


def tiff_entries(data: bytes) -> Iterator[Entry]:
    """The entries of the first directory that lie whole in the data; none if it begins no TIFF."""
    if data[:4] not in MAGIC:
        return
    little = data[:2] == b"II"

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], "little" if little else "big")

    start = number(4, 4) + 2
    for at in range(start, min(start + 12 * number(start - 2, 2), len(data) - 11), 12):
        yield Entry(number(at, 2), number(at + 2, 2), number(at + 4, 4), number(at + 8, 2))
