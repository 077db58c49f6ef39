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

from sge.analysis.atlas import base64_png, with_png
from sge.analysis.finite_json import json_text
from sge.errors import AnalysisFileError

MAGIC = b"SGEATLAS"
VERSION = 1
MEDIA_TYPE = "application/vnd.sge.atlas"
_PREFIX = struct.Struct("<8sII")
_PLACE = "<png>"
_PLACE_IN_JSON = _PLACE.encode()


def pack_atlases(record: dict[str, Any]) -> bytes:
    """The binary body of a record.

    Args:
        record: JSON-ready data, except that at any depth there may be ``cells_record``s, in which ``cells`` is an array
            (groups, height, width) of uint8, and files ``{"type": ..., "data": bytes}``.

    Raises:
        AnalysisFileError: a number is not finite.
    """
    place = _Planes()
    header = _replaced(record, place)
    planes = place.finish()
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


def json_body(record: dict[str, Any]) -> bytes:
    """``json_text`` of ``json_ready``, in UTF-8. The PNGs are set into the text, which is not searched for what to escape.

    Raises:
        AnalysisFileError: a number is not finite.
    """
    images: list[bytes] = []

    def place(node: dict[str, Any]) -> dict[str, Any] | None:
        if not _has_cells(node):
            return None
        images.append(base64_png(node["cells"]))
        return {key: value for key, value in node.items() if key != "cells"} | {"png": _PLACE}

    texts = json_text(_replaced(record, place)).encode().split(_PLACE_IN_JSON)
    if len(texts) != len(images) + 1:  # Another text of the record has these letters.
        return json_text(json_ready(record)).encode()
    pieces = [texts[0]]
    for image, text in zip(images, texts[1:], strict=True):
        pieces += image, text
    return b"".join(pieces)


def _has_cells(node: dict[str, Any]) -> bool:
    return isinstance(node.get("cells"), np.ndarray)


class _Planes:
    """Collects what stands behind the header: called for each object of it, it gives those that name a place instead."""

    def __init__(self) -> None:
        self._maps: list[memoryview] = []
        self._files: list[tuple[dict[str, Any], bytes]] = []
        self._end = 0

    def __call__(self, node: dict[str, Any]) -> dict[str, Any] | None:
        if _has_cells(node):
            cells = np.ascontiguousarray(node["cells"], np.uint8)
            self._maps.append(cells.data)
            self._end += cells.size
            rest = {key: value for key, value in node.items() if key != "cells"}
            return rest | {"offset": self._end - cells.size}
        data = node.get("data")
        if not isinstance(data, bytes):
            return None
        file = {"type": node["type"], "offset": 0, "length": len(data)}
        self._files.append((file, data))
        return file

    def finish(self) -> list[bytes | memoryview]:
        """Tells the files their places, behind all maps, and gives what stands behind the header."""
        for file, data in self._files:
            file["offset"] = self._end
            self._end += len(data)
        return [*self._maps, *(data for _, data in self._files)]


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
