"""Which images of a set are measured."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from sge.datasets import (
    ImageFile,
    LabelledSet,
    Listing,
    Skipped,
    decode_files,
    find_labelled,
    list_images,
    no_images,
)
from sge.errors import BrokenImageError, ChoiceError, DataError, ImageError
from sge.images import DecodedImage

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


def listed_labelled(
    sources: Paths, only: str | None = None, limit: int | None = None, seed: int = 0
) -> LabelledSet:
    """The labelled images of several sources, as ``find_labelled`` and ``sampled`` choose them.

    Raises:
        ChoiceError, DataError: as these do, or a class folder holds no image. With ``only`` a class may be empty.
    """
    found = find_labelled(paths_of(sources), only)
    if only is None:
        found.check_filled()
    return replace(found, files=sampled(found.files, limit, seed))


def listed_images(sources: Paths, only: str | None = None) -> Listing:
    """The images of several sources, labelled or not; a source that is given twice counts once.

    Raises:
        DataError: a source cannot be used, or there is no such image.
    """
    paths = paths_of(sources)
    listings = [list_images(path) for path in paths]
    found = {os.path.realpath(file.path): file for listing in listings for file in listing.files}
    files = [file for file in found.values() if only is None or only in Path(file.name).name]
    skipped = list(dict.fromkeys(entry for listing in listings for entry in listing.skipped))
    unreadable = list(dict.fromkeys(entry for listing in listings for entry in listing.unreadable))
    if not files:
        raise no_images(paths, only, (*unreadable, *skipped))
    return Listing(files, set(), skipped, unreadable)


@dataclass
class SetReader:
    """Decodes the images of a set, and keeps account of all that does not enter the figures.

    Args:
        skip_broken: Leaves out images that cannot be read, instead of raising.
    """

    skip_broken: bool
    broken: dict[str, str] = field(default_factory=dict)
    """Paths of images, folders and links that cannot be read, with the reasons."""
    not_images: dict[str, str] = field(default_factory=dict)
    """Paths of files that are no images, and of folders that systems make, with the reasons."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """Paths of images about which the decoder says something, with its sentences."""

    @classmethod
    def of(cls, found: LabelledSet | Listing, skip_broken: bool) -> SetReader:
        """A reader that knows what a listing left out.

        Raises:
            BrokenImageError: a folder or link cannot be read, and ``skip_broken`` is False.
        """
        if found.unreadable and not skip_broken:
            first = found.unreadable[0]
            raise BrokenImageError(f"{first.path}: {first.reason}. Mend or remove it, or set skip_broken.")
        return cls(skip_broken, _reasons(found.unreadable), _reasons(found.skipped))

    def read(self, files: Iterable[ImageFile]) -> Iterator[tuple[ImageFile, DecodedImage]]:
        """The images that can be read.

        Raises:
            ImageError: an image cannot be read, and ``skip_broken`` is False.
            DataError: an archive can no longer be opened.
        """
        for file, image in decode_files(files):
            if not isinstance(image, ImageError):
                if image.notes:
                    self.notes[str(file.path)] = list(image.notes)
                yield file, image
            elif not self.skip_broken:
                raise type(image)(f"{file.path}: {image}") from image
            else:
                self.broken[str(file.path)] = str(image)

    def none_readable(self, count: int) -> DataError:
        """The error for a set of which no image can be read.

        Args:
            count: Number of its images.
        """
        reasons = [f" {path}: {reason}" for path, reason in self.broken.items()][:3]
        return DataError(
            f"None of the {count} images can be read.{''.join(reasons)} Name a set that holds some."
        )


def _reasons(entries: Iterable[Skipped]) -> dict[str, str]:
    return {str(entry.path): entry.reason for entry in entries}


def paths_of(sources: Paths) -> list[Path]:
    """One source or several, as a list."""
    if isinstance(sources, str | os.PathLike):
        return [Path(sources)]
    return [Path(source) for source in sources]
