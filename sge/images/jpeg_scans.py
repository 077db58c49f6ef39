"""How often a JPEG makes the decoder go over all of its pixels."""

from __future__ import annotations

import re

MAX_SCANS = 100
"""A progressive JPEG has about ten. Each costs a pass over every pixel, however few bytes it has."""

_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
"""Not the zero after a byte 255 in the data, nor a restart marker: those stand inside a scan."""
_ALONE = {0x01, 0xD8}
_END, _SCAN = 0xD9, 0xDA


def count_scans(data: bytes, most: int = MAX_SCANS) -> int:
    """Scans of a JPEG's first frame, counted by its markers; counting ends one past ``most``.

    Args:
        data: The file. Of what is no JPEG, or a damaged one, some number comes back, never an error.
        most: Where the exact number ceases to matter.
    """
    scans, at = 0, 2
    while scans <= most and (found := _MARKER.search(data, at)):
        marker, at = found[1][0], found.end()
        if marker == _END:
            break
        if marker in _ALONE:
            continue
        at += max(2, int.from_bytes(data[at : at + 2]))
        scans += marker == _SCAN
    return scans
