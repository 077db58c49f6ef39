"""Atomic writes and hashes of files."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has other locks.
    fcntl = None  # type: ignore[assignment]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces a file as a whole or not at all: a temporary file beside it is written, synced and renamed.

    Args:
        path: The file; its folders are created.
        data: The content.

    Raises:
        OSError: the file cannot be written; it is then unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name may have 255 bytes; the temporary one is cut, so that every name that the target may have works.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Holds a lock between processes, which ends with the process at the latest.

    Args:
        path: A file that is made for the lock and stays, empty.
        wait: Wait until the lock is free; otherwise ``False`` is given at once when another process holds it.

    Yields:
        Whether the lock is held. It counts as held where the file system has no locks.

    Raises:
        OSError: the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        held = True
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held = False
            except OSError:
                pass
        yield held
