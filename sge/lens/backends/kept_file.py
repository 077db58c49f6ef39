"""A file that is read again later, also after another one has taken its name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

from sge.errors import CheckpointError


class KeptFile:
    """An exported file as it was when this was made; it stays open, so that it can be renamed, replaced or removed.

    Copies and pickles open the file again when they read it, under its name. Several threads may read it.

    Args:
        path: The file.

    Raises:
        CheckpointError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: IO[bytes] | None = self._opened()
        self._state = _state(self._open)

    def content(self) -> bytes:
        """The whole file.

        Raises:
            CheckpointError: it was written to since, or it cannot be read.
        """
        file = self._open or self._opened()
        try:
            if _state(file) != self._state:
                raise self._changed()
            size = self._state[1]
            content = b""
            while part := os.pread(file.fileno(), size - len(content), len(content)):
                content = content + part if content else part
            if len(content) != size or _state(file) != self._state:
                raise self._changed()
            return content
        except OSError as error:
            raise self._unreadable(error) from error
        finally:
            if file is not self._open:
                file.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": None}

    def _opened(self) -> IO[bytes]:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise self._unreadable(error) from error

    def _changed(self) -> CheckpointError:
        return CheckpointError(f"{self.path} was changed after this Lens was made. Make another Lens.")

    def _unreadable(self, error: OSError) -> CheckpointError:
        return CheckpointError(
            f"{self.path} cannot be read: {error.strerror}. Export the model again: sge models export."
        )


def _state(file: IO[bytes]) -> tuple[int, ...]:
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns
