"""Lists the images of folders and tar archives, with the folder that names each image's class.

A labelled set follows the ImageFolder layout: ``CLASS/name.ext``, in a folder or as the members of a ``.tar``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath

from sge.datasets.archives import list_archive, read_member, read_members
from sge.datasets.entries import ImageFile, Listing, Skipped
from sge.datasets.folders import list_folder
from sge.datasets.foreign import HEAD, foreign_file
from sge.errors import BrokenImageError, DataError, ImageError
from sge.images import DecodedImage, Source, decode
from sge.text import printable

OUTSIDE = "an image outside the folders of classes"


@dataclass(frozen=True)
class LabelledSet:
    """The labelled images of several sources."""

    sources: list[Path]
    folders: list[str]
    """Class folders, sorted, including those without images."""
    files: list[ImageFile]
    """In the order of the sources; sorted by name within a folder, in the stored order within an archive."""
    skipped: list[Skipped] = field(default_factory=list)
    """Files that are no images, and what operating systems leave in folders; images outside class folders."""
    unreadable: list[Skipped] = field(default_factory=list)
    """Folders and links that may hold images and cannot be read."""

    @property
    def empty(self) -> list[str]:
        """Class folders without an image."""
        filled = {file.folder for file in self.files}
        return [folder for folder in self.folders if folder not in filled]

    def check_filled(self) -> None:
        """Checks that every class has an image.

        Raises:
            DataError: one has none; the message names what lies there instead.
        """
        if not self.empty:
            return
        others = [
            f"{entry.path.name}: {entry.reason}"
            for entry in (*self.unreadable, *self.skipped)
            if any(entry.path.is_relative_to(source / self.empty[0]) for source in self.sources)
        ]
        found = (
            f" {self.empty[0]} holds only entries of other kinds: {len(others)}, such as {others[0]}."
            if others
            else ""
        )
        raise DataError(
            f"No image of {', '.join(self.empty[:5])} in {', '.join(map(str, self.sources))}.{found} Add some, or "
            "remove the folder: a class without images can be neither learned nor measured."
        )


def find_labelled(sources: Iterable[str | os.PathLike[str]], only: str | None = None) -> LabelledSet:
    """Lists labelled images without reading them.

    ``sge.datasets.foreign`` says which files count as images. Class folders whose names are the same text in two
    forms of Unicode are one class.

    Args:
        sources: Folders in ImageFolder layout, ``.tar`` files, or both; a source given twice counts once.
        only: Keeps the files whose name contains this text.

    Raises:
        DataError: a source is missing, an archive is damaged, or there is no image in a class folder.
    """
    paths = list({os.path.realpath(source): Path(source) for source in sources}.values())
    listings = [_labelled(path) for path in paths]
    files = [
        file
        for listing in listings
        for file in listing.files
        if "/" in file.name and (only is None or only in PurePosixPath(file.name).name)
    ]
    outside = [
        Skipped(file.path, OUTSIDE) for listing in listings for file in listing.files if "/" not in file.name
    ]
    skipped = [entry for listing in listings for entry in listing.skipped] + outside
    unreadable = [entry for listing in listings for entry in listing.unreadable]
    if not files:
        raise no_images(paths, only, (*unreadable, *skipped), " in folders of classes (CLASS/image.jpg)")
    folders = sorted({folder for listing in listings for folder in listing.folders})
    return LabelledSet(paths, folders, files, skipped, unreadable)


def list_images(source: str | os.PathLike[str]) -> Listing:
    """The images of a folder with all its subfolders, of a ``.tar``, or a single image; classes are ignored.

    Returns:
        With what was left out; a single file that is an image by name or content is listed alone.

    Raises:
        DataError: there is no such path, or it is neither a folder nor an image nor a readable archive.
    """
    path = Path(source)
    if os.path.isdir(path):
        return list_folder(path)
    if os.path.isfile(path) and not why_no_image(path):
        return Listing([ImageFile(path.parent, path.name)])
    return list_archive(path)


def find_images(source: str | os.PathLike[str]) -> list[ImageFile]:
    """The files of ``list_images``.

    Raises:
        DataError: as ``list_images``.
    """
    return list_images(source).files


def why_no_image(path: Path) -> str | None:
    """Why a file is no image, by its name and first bytes; None for an image, and for a file that cannot be read."""

    def head() -> bytes:
        with path.open("rb") as file:
            return file.read(HEAD)

    try:
        return foreign_file(path.name, head)
    except OSError:
        return None


def read_files(files: Iterable[ImageFile]) -> Iterator[tuple[ImageFile, Source | BrokenImageError]]:
    """Yields each file with what ``decode`` takes: its path, or its bytes if it is a member of an archive.

    Consecutive members of one archive are read with the archive opened once. A member that cannot be read
    is yielded with the error, so that the caller can continue with the next file.

    Raises:
        DataError: an archive can no longer be opened.
    """
    for source, run in groupby(files, key=lambda file: file.source if file.member is not None else None):
        if source is None:
            yield from ((file, file.path) for file in run)
        else:
            yield from read_members(source, run)


def decode_files(files: Iterable[ImageFile]) -> Iterator[tuple[ImageFile, DecodedImage | ImageError]]:
    """Yields each file with its decoded image, or with the error if it cannot be read or decoded.

    Raises:
        DataError: an archive can no longer be opened.
    """
    for file, content in read_files(files):
        yield file, _decoded(file, content)


def decode_file(file: ImageFile) -> DecodedImage:
    """Decodes one image. Members of a compressed archive take as long as the whole archive.

    Raises:
        ImageError: it cannot be read or decoded.
        DataError: the archive can no longer be opened.
    """
    image = _decoded(file, file.path if file.member is None else read_member(file))
    if isinstance(image, ImageError):
        raise image
    return image


def _decoded(file: ImageFile, content: Source | ImageError) -> DecodedImage | ImageError:
    if isinstance(content, ImageError):
        return content
    try:
        return decode(content, name=printable(PurePosixPath(file.name).name))
    except ImageError as error:
        return error


def _labelled(path: Path) -> Listing:
    if os.path.isdir(path):
        return list_folder(path)
    if not os.path.lexists(path) and os.path.isdir(path.parent):
        raise DataError(f"There is no folder or .tar file {path}. Name one that holds one folder per class.")
    if os.path.isfile(path) and not why_no_image(path):
        raise DataError(
            f"{path} is a single image. Name a folder or .tar file that holds one folder per class."
        )
    return list_archive(path)


def no_images(
    paths: Sequence[Path], only: str | None, others: Sequence[Skipped], where: str = ""
) -> DataError:
    """The error for sources that hold no image.

    Args:
        paths: The sources.
        only: The text that the images' names had to contain, if there was one.
        others: What the sources hold instead.
        where: Where the images should be.
    """
    kept = "" if only is None else f" whose name contains {only!r}"
    named = ", ".join(map(str, paths)) or "Nothing"
    found = (
        f" Entries of other kinds: {len(others)}, such as {others[0].path} ({others[0].reason})."
        if others
        else ""
    )
    return DataError(f"{named} holds no images{kept}{where}.{found} Name a folder or .tar file that does.")
