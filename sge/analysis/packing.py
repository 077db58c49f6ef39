"""Records with maps as one binary body: what the API calls ``format=atlas``.

A body has no base64 and no PNG, so that it is made by copying and read without decoding. In this order it has:

1. 8 bytes, ``SGEATLAS``;
2. the version 1 and the number of bytes of the header, each a little-endian uint32;
3. the header: the record as JSON in UTF-8;
4. the planes. An atlas in the header has ``offset`` in place of its maps: from this byte after the header on, there are
   ``groups * height * width`` bytes, group by group and row by row, value = lo + v / 255 * (hi - lo). A file, such as
   ``preview``, has ``offset``, ``length`` (bytes) and ``type`` (its media type).

The maps come first and files last, so that a body without its end still has all maps. HTTP compresses the body if the
client accepts that.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from sge.analysis.atlas import with_png
from sge.analysis.finite_json import json_text
from sge.errors import AnalysisFileError

MAGIC = b"SGEATLAS"
VERSION = 1
MEDIA_TYPE = "application/vnd.sge.atlas"
_PREFIX = struct.Struct("<8sII")


def pack_atlases(record: dict[str, Any]) -> bytes:
    """The binary body of a record.

    Args:
        record: JSON-ready data, except that at any depth there may be ``cells_record``s, in which ``cells`` is an array
            (groups, height, width) of uint8, and files ``{"type": ..., "data": bytes}``.

    Raises:
        AnalysisFileError: a number is not finite.
    """
    planes: list[bytes] = []
    place = _Planes(planes)
    # Two passes, because files stand behind all maps.
    header = _replaced(_replaced(record, place.maps), place.file)
    text = json_text(header).encode()
    return b"".join([_PREFIX.pack(MAGIC, VERSION, len(text)), text, *planes])


def unpack_atlases(body: bytes) -> dict[str, Any]:
    """The record of a binary body; the inverse of ``pack_atlases``.

    Raises:
        AnalysisFileError: not such a body, or one without its end.
    """
    try:
        magic, version, size = _PREFIX.unpack_from(body)
        if magic != MAGIC or version != VERSION:
            raise ValueError(f"it begins with {magic!r}, version {version}")
        start = _PREFIX.size + size
        header = json.loads(body[_PREFIX.size : start].decode(), parse_constant=_refuse)
        planes = memoryview(body)[start:]
        record = _replaced(header, lambda node: _read(node, planes))
        if not isinstance(record, dict):
            raise TypeError("its header is no object")
    except (struct.error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise AnalysisFileError(
            f"This is no complete atlas body ({str(error)[:120]}). Ask for format=atlas again."
        ) from error
    return record


def json_ready(record: dict[str, Any]) -> dict[str, Any]:
    """A record of ``cells_record``s as JSON-ready data, with a PNG in base64 in place of each array."""
    ready: dict[str, Any] = _replaced(record, lambda node: with_png(node) if _has_cells(node) else None)
    return ready


def _has_cells(node: dict[str, Any]) -> bool:
    return isinstance(node.get("cells"), np.ndarray)


class _Planes:
    """Collects what stands behind the header."""

    def __init__(self, planes: list[bytes]) -> None:
        self.planes = planes
        self.end = 0

    def _append(self, data: bytes) -> int:
        offset = self.end
        self.planes.append(data)
        self.end += len(data)
        return offset

    def maps(self, node: dict[str, Any]) -> dict[str, Any] | None:
        if not _has_cells(node):
            return None
        offset = self._append(np.ascontiguousarray(node["cells"], np.uint8).tobytes())
        return {key: value for key, value in node.items() if key != "cells"} | {"offset": offset}

    def file(self, node: dict[str, Any]) -> dict[str, Any] | None:
        data = node.get("data")
        if not isinstance(data, bytes):
            return None
        return {"type": node["type"], "offset": self._append(data), "length": len(data)}


def _replaced(node: Any, replace: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Any:
    """The data with each object for which ``replace`` gives another one."""
    if isinstance(node, dict):
        replaced = replace(node)
        if replaced is not None:
            return replaced
        return {key: _replaced(value, replace) for key, value in node.items()}
    if isinstance(node, list) and any(issubclass(kind, (dict, list)) for kind in set(map(type, node))):
        return [_replaced(value, replace) for value in node]
    return node


def _read(node: dict[str, Any], planes: memoryview) -> dict[str, Any] | None:
    """The object with its maps or bytes, if it names a place in the planes."""
    offset = node.get("offset")
    if type(offset) is not int:
        return None
    rest = {key: value for key, value in node.items() if key != "offset"}
    if "length" in node:
        return {"type": node["type"], "data": bytes(_slice(planes, offset, node["length"]))}
    shape = node["groups"], node["height"], node["width"]
    if any(type(side) is not int or side < 1 for side in shape):
        raise ValueError(f"maps of the shape {shape}")
    cells = np.frombuffer(_slice(planes, offset, shape[0] * shape[1] * shape[2]), np.uint8)
    return rest | {"cells": cells.reshape(shape)}


def _refuse(constant: str) -> None:
    raise ValueError(f"the number {constant}")


def _slice(planes: memoryview, offset: int, length: int) -> memoryview:
    if type(length) is not int or offset < 0 or length < 0 or offset + length > len(planes):
        raise ValueError(f"bytes {offset} to {offset + length} of {len(planes)}")
    return planes[offset : offset + length]
