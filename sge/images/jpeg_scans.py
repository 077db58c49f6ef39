"""Counts the scans of a JPEG, each of which makes the decoder process all pixels."""

from __future__ import annotations

import re

MAX_SCANS = 100
"""A progressive JPEG has about ten. A scan of a few bytes costs a pass over every pixel."""

_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
"""A marker, but no stuffed zero after a byte 255 and no restart marker; both stand inside a scan."""
_WITHOUT_LENGTH = {0x01, 0xD8}
_END, _SCAN = 0xD9, 0xDA


def count_scans(data: bytes, limit: int = MAX_SCANS) -> int:
    """Number of scans in a JPEG's first frame, counted by its markers; counting ends at ``limit + 1``.

    Args:
        data: The file. A damaged JPEG, or another file, gives some number and never an error.
        limit: The number above which the exact count does not matter.
    """
    scans, at = 0, 2
    while scans <= limit and (found := _MARKER.search(data, at)):
        marker, at = found[1][0], found.end()
        if marker == _END:
            break
        if marker in _WITHOUT_LENGTH:
            continue
        at += max(2, int.from_bytes(data[at : at + 2]))
        scans += marker == _SCAN
    return scans
