"""Arrays as the content of a ``.safetensors`` file, without a copy of the arrays.

The package safetensors copies each array twice before a byte is written; of the maps of one image these are 8 MB. The
format is small enough to be written here, and its files are read by the package: 8 bytes with the length of the header,
the header in JSON, the arrays one after the other.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from sge.arrays import Array

_ALIGNMENT = 8
"""The arrays begin at a multiple of this; spaces fill the header."""


def tensor_file(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> list[bytes | memoryview]:
    """The parts of a ``.safetensors`` file, which follow one another.

    Args:
        arrays: By name, float32, contiguous.
        metadata: Texts by name.

    Returns:
        Buffers; those of the arrays show their memory.

    Raises:
        TypeError: an array is not float32.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    parts: list[bytes | memoryview] = []
    end = 0
    for name, values in sorted(arrays.items()):
        if values.dtype != np.float32:
            raise TypeError(f"{name} is {values.dtype} instead of float32")
        part = _bytes_of(values)
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [end, end + len(part)]}
        parts.append(part)
        end += len(part)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return [struct.pack("<Q", len(text)) + text, *parts]


def _bytes_of(values: Array) -> memoryview:
    little = np.ascontiguousarray(values, "<f4").reshape(-1)
    return little.view(np.uint8).data
