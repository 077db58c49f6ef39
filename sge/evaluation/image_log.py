"""A file of figures by image, one JSON object a line, from which an interrupted measurement continues."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from sge.errors import DataError
from sge.files import reason_of, write_atomically

VERSION = 1

Record = dict[str, Any]


class ImageLog(Mapping[str, Record]):
    """Context manager: image name to its figures, those of earlier runs included.

    Args:
        path: The file, which is made if there is none; None keeps the figures in memory alone.
        key: JSON data that says what is measured, and how.

    Raises:
        DataError: the file is of another measurement, or cannot be read or written.
    """

    def __init__(self, path: Path | None, key: Record) -> None:
        self._path = path
        self._header = {"version": VERSION, "measurement": key}
        self._records: dict[str, Record] = {}
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        if self._path is None:
            return self
        try:
            if not self._path.parent.is_dir():
                raise ValueError(f"there is no folder {self._path.parent}")
            lines = self._path.read_text("utf-8").splitlines(keepends=True) if self._path.exists() else []
            # A run that was stopped while it wrote leaves a line without its end.
            complete = [_entry(line) for line in lines if line.endswith("\n")]
            if lines and not complete:
                raise ValueError("its first line is not complete")
            if complete and complete[0] != json.loads(json.dumps(self._header)):
                raise ValueError("it is of another model, set of boxes or setting")
            self._records = {record["image"]: record for record in complete[1:]}
            kept = "".join(json.dumps(entry) + "\n" for entry in (self._header, *complete[1:]))
            write_atomically(self._path, kept.encode())
            self._file = self._path.open("a", encoding="utf-8")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"The log {self._path} cannot be continued ({reason_of(error)}). Name another file, or delete this one."
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, record: Record) -> None:
        """Keeps the figures of one image, whose name is ``record["image"]``; the file has them at once."""
        self._records[record["image"]] = record
        if self._file is not None:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()

    def __getitem__(self, image: str) -> Record:
        return self._records[image]

    def __iter__(self) -> Any:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


def _entry(line: str) -> Record:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        raise ValueError("a line of it is no JSON object")
    return entry
