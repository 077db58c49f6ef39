"""Arrays of many records in one memory-mapped file, with a JSON index that is written last."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sge.errors import DataError
from sge.files import write_atomically

VERSION = 2

AnyArray = npt.NDArray[Any]


class RecordFile:
    """Reads what ``RecordWriter`` wrote. Each record is a list of arrays, with the same dtypes in every record.

    Args:
        path: The data file; ``path.json`` is its index.
        key: What the content must have been made from; None accepts any.

    Raises:
        DataError: the file or its index is missing, damaged, of another version, or has another key.
    """

    def __init__(self, path: Path, key: str | None = None) -> None:
        try:
            index = json.loads(index_path(path).read_text("utf-8"))
            if index["version"] != VERSION:
                raise ValueError("another format")
            if key is not None and index["key"] != key:
                raise ValueError("made from other images or settings")
            self.key = str(index["key"])
            self.facts: dict[str, Any] = dict(index["facts"])
            """What the writer stored beside the records."""
            self._dtypes = [np.dtype(name) for name in index["dtypes"]]
            self._records = [
                (int(offset), [tuple(map(int, shape)) for shape in shapes])
                for offset, shapes in index["records"]
            ]
            self._bytes = np.memmap(path, np.uint8, "r")
            if sum(self._size(shapes) for _, shapes in self._records) != len(self._bytes):
                raise ValueError("cut off, or of another run than its index")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} cannot be used ({error}). Delete {path.name}.json and start again; the file is then made anew."
            ) from error

    def __len__(self) -> int:
        return len(self._records)

    def arrays(self, number: int) -> list[AnyArray]:
        """Copies of one record's arrays."""
        start, shapes = self._records[number]
        arrays = []
        for dtype, shape in zip(self._dtypes, shapes, strict=True):
            end = start + dtype.itemsize * math.prod(shape)
            arrays.append(np.array(self._bytes[start:end]).view(dtype).reshape(shape))
            start = end
        return arrays

    def _size(self, shapes: Sequence[tuple[int, ...]]) -> int:
        pairs = zip(self._dtypes, shapes, strict=True)
        return sum(dtype.itemsize * math.prod(shape) for dtype, shape in pairs)


class RecordWriter:
    """Context manager that writes a ``RecordFile``.

    Nothing that was interrupted can be opened: the old index is deleted first and the new one is written by
    ``finish``. A process that has the old file open keeps reading it, because the new one is written beside it.

    Args:
        path: The data file; ``path.json`` becomes its index.
        dtypes: Of the arrays of every record, in order.
    """

    def __init__(self, path: Path, dtypes: Sequence[str]) -> None:
        self._path, self._dtypes = path, [np.dtype(name) for name in dtypes]
        self._records: dict[int, tuple[int, list[tuple[int, ...]]]] = {}

    def __enter__(self) -> RecordWriter:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        index_path(self._path).unlink(missing_ok=True)
        self._part = self._path.with_name(f"{self._path.name}.part")
        self._file: IO[bytes] = self._part.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._records)

    def add(self, arrays: Sequence[AnyArray], number: int | None = None) -> None:
        """Appends a record.

        Args:
            arrays: In the order of ``dtypes``, to which they are converted.
            number: The record's index; by default the number of records so far.
        """
        start = self._file.tell()
        for array, dtype in zip(arrays, self._dtypes, strict=True):
            self._file.write(np.ascontiguousarray(array, dtype).tobytes())
        shapes = [array.shape for array in arrays]
        self._records[len(self._records) if number is None else number] = (start, shapes)

    def finish(self, key: str, facts: Mapping[str, Any]) -> None:
        """Writes the index, which makes the file usable.

        Args:
            key: What the content was made from.
            facts: JSON data to keep beside the records.
        """
        self._file.close()
        self._part.replace(self._path)
        index = {
            "version": VERSION,
            "key": key,
            "dtypes": [dtype.str for dtype in self._dtypes],
            "facts": dict(facts),
            "records": [self._records[number] for number in range(len(self._records))],
        }
        write_atomically(index_path(self._path), json.dumps(index).encode())


def index_path(path: Path) -> Path:
    """The index of a data file."""
    return path.with_name(path.name + ".json")
