"""Decodes every image of a set once without keeping it, to know before a training which of them can be read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sge.datasets.decoded_cache import Progress
from sge.datasets.entries import ImageFile
from sge.datasets.labelled import decode_file
from sge.errors import ImageError
from sge.files import write_atomically

VERSION = 1
CHUNK = 256
"""Images that are decoded by all threads before the next ones are listed."""
MAX_THREADS = 8


@dataclass(frozen=True)
class Checked:
    """What decoding every image showed."""

    broken: dict[str, str] = field(default_factory=dict)
    """Names of images that cannot be read, with the reasons, in the order of the set."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """Names of images about which the decoder says something, with its sentences."""


def check_files(
    path: Path, files: Sequence[ImageFile], key: str, progress: Progress | None = None
) -> Checked:
    """Decodes every image, or reads what an earlier check of the same files found.

    Args:
        path: File in which the result is kept.
        files: From ``find_labelled``; archives among them are not compressed.
        key: From ``cache_key``.
        progress: Called with the number of images so far.
    """
    if (known := _read(path, key)) is not None:
        return known
    found = Checked()
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as threads:
        for start in range(0, len(files), CHUNK):
            chunk = files[start : start + CHUNK]
            for file, result in zip(chunk, threads.map(_check, chunk), strict=True):
                if isinstance(result, str):
                    found.broken[file.name] = result
                elif result:
                    found.notes[file.name] = result
            if progress is not None:
                progress(start + len(chunk))
    write_atomically(path, json.dumps({"version": VERSION, "key": key} | asdict(found)).encode())
    return found


def _check(file: ImageFile) -> str | list[str]:
    """Why the image cannot be read, or what the decoder says about it."""
    try:
        return list(decode_file(file).notes)
    except ImageError as error:
        return str(error)


def _read(path: Path, key: str) -> Checked | None:
    try:
        record = json.loads(path.read_text("utf-8"))
        if (record["version"], record["key"]) != (VERSION, key):
            return None
        return Checked(dict(record["broken"]), dict(record["notes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
