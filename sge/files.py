"""Atomic writes and hashes of files."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows has other locks.
    fcntl = None  # type: ignore[assignment]


Content = bytes | Sequence[bytes | memoryview]
"""What a file holds, in one piece or in parts that follow one another."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no JSON; the message says in a few words why.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON from line {error.lineno}, column {error.colno} on") from None
    except RecursionError:
        raise ValueError("its lists are nested too deeply") from None


def reason_of(error: Exception) -> str:
    """Why the content of a JSON file cannot be used, without Python's own words.

    Args:
        error: What reading the content raised; a ValueError of ours has the reason as its message.
    """
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing" if error.args else "a key is missing"
    return str(error) if isinstance(error, ValueError) else "an entry has another form"


def write_atomically(path: Path, data: Content) -> None:
    """Replaces a file as a whole or not at all: a temporary file beside it is written, synced and renamed.

    Args:
        path: The file; its folders are created.
        data: The content.

    Raises:
        OSError: the file cannot be written; it is then unchanged. A device or named pipe is never replaced.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "It is a device or named pipe and no file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name may have 255 bytes; the temporary one is cut, so that every name that the target may have works.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
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
