"""Which images of a set are measured."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sge.datasets import ImageFile, LabelledSet, find_images, find_labelled
from sge.errors import ChoiceError, DataError

T = TypeVar("T")
Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def sampled(files: Sequence[T], limit: int | None, seed: int = 0) -> list[T]:
    """The first ``limit`` files in a random order, or all of them in their own order.

    With the same seed, a larger sample begins with the smaller one.

    Raises:
        ChoiceError: ``limit`` is below 1.
    """
    if limit is None:
        return list(files)
    if limit < 1:
        raise ChoiceError(f"limit is {limit}; choose at least 1 image, or no limit for all of them.")
    return random.Random(seed).sample(files, len(files))[:limit]


def listed_labelled(sources: Paths, only: str | None, limit: int | None, seed: int = 0) -> LabelledSet:
    """The labelled images of several sources, as ``find_labelled`` and ``sampled`` choose them.

    Raises:
        ChoiceError, DataError: as these do.
    """
    found = find_labelled(paths_of(sources), only)
    return replace(found, files=sampled(found.files, limit, seed))


def listed_images(sources: Paths, only: str | None = None) -> list[ImageFile]:
    """The images of several sources, labelled or not; a source that is given twice counts once.

    Raises:
        DataError: a source cannot be used, or there is no such image.
    """
    paths = paths_of(sources)
    found = {file.path.resolve(): file for path in paths for file in find_images(path)}
    files = [file for file in found.values() if only is None or only in Path(file.name).name]
    if not files:
        kept = "" if only is None else f" whose name contains {only!r}"
        named = ", ".join(map(str, paths)) or "Nothing"
        raise DataError(f"{named} holds no images{kept}. Name a folder or .tar file that does.")
    return files


def paths_of(sources: Paths) -> list[Path]:
    """One source or several, as a list."""
    if isinstance(sources, str | os.PathLike):
        return [Path(sources)]
    return [Path(source) for source in sources]
