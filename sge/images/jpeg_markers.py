"""Reads the markers of a JPEG (ITU-T T.81): its kind, its metadata, and whether anything is missing or left over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_SCANS = 100
"""A progressive JPEG has about ten. A scan of a few bytes costs a pass over every pixel."""
MAX_SEGMENTS = 100_000
"""A JPEG of the largest extended XMP has a few hundred."""
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
"""A marker, but no stuffed zero after a byte 255 and no restart marker; both stand inside a scan.

Any number of bytes 255 may fill the space before a marker. A pattern that matches them all would take quadratic time on
a file of nothing else; without them the search is also ten times as fast."""
_START, _END, _SCAN, _ADOBE, _JFIF = 0xD8, 0xD9, 0xDA, 0xEE, 0xE0
_RESTART_INTERVAL = 0xDD
_APPLICATION = range(0xE0, 0xF0)
_COMMENT = 0xFE
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_UNSUPPORTED_FRAMES = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "lossless and hierarchical",
    0xCB: "lossless",
    0xCD: "hierarchical",
    0xCE: "hierarchical",
    0xCF: "lossless and hierarchical",
    0xF7: "lossless (JPEG-LS)",
}
_SAVE_AGAIN = "Save it as an ordinary JPEG or as PNG and try again."
_FEW = 4
"""As many bytes at the end of the pixels may be filling."""
_AHEAD = 8
"""libjpeg reads as many bytes ahead."""
_LONG_CODES = b"\xfe" * _AHEAD
"""Bits of which few pixels are made."""
_END_BYTES = b"\xff\xd9"
_JUNK = tuple(bytes([start, *range(0x35, 0xF5, 3)]) for start in (0x35, 0xCA, 0x6B, 0x92, 0xF8))
"""Bits that no encoder would write; with every restart marker, so that a decoder that waits for one goes on."""


@dataclass
class Jpeg:
    """What the markers of a JPEG say."""

    scans: int = 0
    """Number of scans; counting ends above ``MAX_SCANS``."""
    frame: int | None = None
    """Marker of its frame; None if there is none before its first scan."""
    depth: int = 8
    components: tuple[int, ...] = ()
    size: tuple[int, int] = (0, 0)
    sampling: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Factors across and down by component."""
    restart_interval: int = 0
    """Units between restart markers; 0 for none."""
    last_scan: tuple[int, tuple[int, ...]] = (0, ())
    """Offset of the last scan's data, and its components."""
    end: int | None = None
    """Offset after its end marker; None if that is missing."""
    segments: int = 0
    """Number of segments that were read."""
    metadata: int = 0
    """Bytes of application segments and comments."""
    stray: bool = False
    """True if there are bytes between segments that belong to none."""
    exif: bytes | None = None
    head: list[tuple[int, int]] = field(default_factory=list)
    """Start and end of the segments before the first scan that matter for decoding."""
    first_scan: int | None = None
    """Offset of the first scan's marker."""
    profile_parts: dict[int, bytes] = field(default_factory=dict)
    profile_count: int = 0
    scan_heads: list[bytes] = field(default_factory=list)
    """Of each scan, which bits of which coefficients it has."""

    @property
    def unsupported(self) -> str | None:
        """A sentence if the JPEG is of a kind that is not read."""
        if self.frame in _UNSUPPORTED_FRAMES:
            return f"This is a {_UNSUPPORTED_FRAMES[self.frame]} JPEG. {_SAVE_AGAIN}"
        if self.frame is not None and self.depth != 8:
            return f"This JPEG has {self.depth} bits a channel; 8 are read. {_SAVE_AGAIN}"
        if self.components and len(self.components) not in (1, 3, 4):
            return f"This JPEG has {len(self.components)} channels; 1, 3 or 4 are read. {_SAVE_AGAIN}"
        return None

    @property
    def profile(self) -> bytes | None:
        """The color profile; empty if a part of it is missing, and None without one."""
        if not self.profile_count:
            return None
        parts = [self.profile_parts.get(number) for number in range(1, self.profile_count + 1)]
        whole = len(self.profile_parts) == self.profile_count
        return b"".join(part for part in parts if part) if whole and all(parts) else b""

    @property
    def all_scans(self) -> bool:
        """True if the scans, were they whole, give every bit of every coefficient."""
        left: dict[tuple[int, int], int] = {}
        """Bits of a component's coefficient that have not come yet; without an entry, none has come."""
        for head in self.scan_heads:
            first, last, bits = head[1 + 2 * head[0] : 4 + 2 * head[0]]
            for number in head[1 : 1 + 2 * head[0] : 2]:
                left.update(((number, at), bits & 15) for at in range(first, min(last, 63) + 1))
        return all(left.get((number, at)) == 0 for number in self.components for at in range(64))

    def all_restarts(self, data: bytes) -> bool:
        """True if the last scan has as many restart markers as its units need, or needs none."""
        at, numbers = self.last_scan
        factors = [self.sampling.get(number, (1, 1)) for number in numbers]
        if not self.restart_interval or not all(across and down for across, down in self.sampling.values()):
            return True
        most = [max((pair[side] for pair in self.sampling.values()), default=1) for side in (0, 1)]
        units = 1
        for side, length in enumerate(self.size):
            block = 8 * most[side]
            if len(factors) == 1:  # A scan of one component has one block a unit.
                length, block = -(-length * factors[0][side] // most[side]), 8
            units *= -(-length // block)
        found = sum(data.count(bytes([0xFF, marker]), at) for marker in range(0xD0, 0xD8))
        return found >= (units - 1) // self.restart_interval

    def without_metadata(self, data: bytes) -> bytes:
        """The file without profile, EXIF, comments and further images, which the decoder does not need."""
        if self.first_scan is None:
            return data
        view = memoryview(data)
        end = len(data) if self.end is None else self.end
        return b"".join(
            [b"\xff\xd8", *(view[start:stop] for start, stop in self.head), view[self.first_scan : end]]
        )


@dataclass(frozen=True)
class Watch:
    """Where a decoder of an undamaged baseline JPEG ends, in the bytes that it is given."""

    data: bytes
    early: int
    """A decoder that needs no byte from here on had bytes left over."""
    late: int
    """A decoder that needs bytes from here on had too few."""


def watched(jpeg: Jpeg, data: bytes) -> Watch | None:
    """The file without metadata, with bytes before its end marker that only a decoder with too few bytes uses.

    Returns:
        None for a file of several scans, of which the decoder reads all before it gives a pixel.
    """
    if jpeg.scans != 1 or jpeg.frame not in (0xC0, 0xC1) or jpeg.end is None or jpeg.first_scan is None:
        return None
    view = memoryview(data)
    pixels = bytes(view[jpeg.first_scan : jpeg.end - len(_END_BYTES)]).rstrip(b"\xff")
    if len(pixels) - (jpeg.last_scan[0] - jpeg.first_scan) <= _FEW:
        return None
    head = b"".join([b"\xff\xd8", *(view[start:stop] for start, stop in jpeg.head)])
    end = len(head) + len(pixels)
    return Watch(b"".join([head, pixels, _LONG_CODES, _END_BYTES]), end - _FEW, end + _AHEAD)


def read_jpeg(data: bytes, max_segments: int = MAX_SEGMENTS) -> Jpeg:
    """Reads the markers; a damaged file gives what could be read, and never an error.

    Args:
        data: The file.
        max_segments: Reading ends above it.
    """
    jpeg, at, in_scan = Jpeg(), 2, False
    while jpeg.scans <= MAX_SCANS and jpeg.segments <= max_segments and (found := _MARKER.search(data, at)):
        marker = found[1][0]
        jpeg.segments += 1
        jpeg.stray |= not in_scan and bool(data[at : found.start()].rstrip(b"\xff"))
        at = found.end()
        if marker == _END:
            jpeg.end = at
            break
        if marker in (0x01, _START):
            continue
        length = max(2, int.from_bytes(data[at : at + 2]))
        if marker in _APPLICATION or marker == _COMMENT:
            jpeg.metadata += min(length, len(data) - at)
        content = data[at + 2 : at + length] if _matters(marker, jpeg.scans) else b""
        if jpeg.scans == 0:
            _read_segment(jpeg, marker, content, (at - 2, at + length))
        in_scan = marker == _SCAN
        at += length
        if marker == _RESTART_INTERVAL and len(content) >= 2:
            jpeg.restart_interval = int.from_bytes(content[:2])
        if in_scan:
            _read_scan(jpeg, content, at)
    return jpeg


def completed(data: bytes) -> Iterator[bytes]:
    """A JPEG without its end marker, completed in six ways: by the marker alone, and by other bytes before it.

    If all pixels are there, what follows them does not matter and all six decode to the same; a decoder fills a
    part that is missing from the bytes that follow.
    """
    body = data.rstrip(b"\xff")
    restarts = [bytes([0xFF, marker]) for marker in range(0xD0, 0xD8)] * 2
    yield body + _END_BYTES
    for junk in _JUNK:
        yield body + junk + b"".join(restart + junk for restart in restarts) + _END_BYTES


def _matters(marker: int, scans: int) -> bool:
    return marker in (_SCAN, _RESTART_INTERVAL) or (
        scans == 0 and (marker in _FRAMES or marker in (0xE1, 0xE2))
    )


def _read_segment(jpeg: Jpeg, marker: int, content: bytes, span: tuple[int, int]) -> None:
    if marker == _SCAN:
        jpeg.first_scan = span[0]
    elif marker == 0xE1 and content.startswith(b"Exif\0\0"):
        jpeg.exif = jpeg.exif or content
    elif marker == 0xE2 and content.startswith(b"ICC_PROFILE\0") and len(content) >= 14:
        jpeg.profile_count = content[13]
        jpeg.profile_parts.setdefault(content[12], content[14:])
    elif marker in _FRAMES and len(content) >= 6 and jpeg.frame is None:
        jpeg.frame, jpeg.depth = marker, content[0]
        jpeg.components = tuple(content[6 : 6 + 3 * content[5] : 3])
        jpeg.size = int.from_bytes(content[3:5]), int.from_bytes(content[1:3])
        pairs = zip(jpeg.components, content[7 : 6 + 3 * content[5] : 3], strict=False)
        jpeg.sampling = {number: divmod(factors, 16) for number, factors in pairs}
    if marker != _SCAN and (marker not in _APPLICATION or marker in (_JFIF, _ADOBE)) and marker != _COMMENT:
        jpeg.head.append(span)


def _read_scan(jpeg: Jpeg, content: bytes, at: int) -> None:
    jpeg.scans += 1
    jpeg.last_scan = at, tuple(content[1 : 1 + 2 * content[0] : 2]) if content else ()
    if content and len(content) >= 4 + 2 * content[0]:
        jpeg.scan_heads.append(content[: 4 + 2 * content[0]])
