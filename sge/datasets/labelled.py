"""Lists the images of folders and tar archives, with the folder that names each image's class.

A labelled set follows the ImageFolder layout: ``CLASS/name.ext``, in a folder or as the members of a ``.tar``.
"""

from __future__ import annotations

import lzma
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath

from sge.errors import BrokenImageError, DataError, ImageError
from sge.images import DecodedImage, Source, decode

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif")
"""File names that count as images where no class folder says that a file is one."""
ARCHIVE_ERRORS = (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError)
"""Exceptions that reading a damaged archive can raise."""


@dataclass(frozen=True)
class ImageFile:
    """One image that is listed but not yet read."""

    source: Path
    """The folder or archive that holds it; for a single image, the folder it is in."""
    name: str
    """Path below the source, with forward slashes: ``n02099601/a.jpg``."""
    member: tarfile.TarInfo | None = field(default=None, compare=False, repr=False)
    """The archive's entry; None for a file on disk."""

    @property
    def folder(self) -> str:
        """First component of the name, which names the class in a labelled set."""
        return self.name.partition("/")[0]

    @property
    def path(self) -> Path:
        """Where the file is on disk; for a member of an archive, a path for messages."""
        return self.source / self.name


@dataclass(frozen=True)
class LabelledSet:
    """The labelled images of several sources."""

    sources: list[Path]
    folders: list[str]
    """Class folders, sorted, including those without images."""
    files: list[ImageFile]
    """In the order of the sources; sorted by name within a folder, in the stored order within an archive."""

    @property
    def empty(self) -> list[str]:
        """Class folders without an image."""
        filled = {file.folder for file in self.files}
        return [folder for folder in self.folders if folder not in filled]


def find_labelled(sources: Iterable[str | os.PathLike[str]], only: str | None = None) -> LabelledSet:
    """Lists labelled images without reading them.

    Every file in a class folder counts as an image, whatever its suffix; hidden files do not.

    Args:
        sources: Folders in ImageFolder layout, ``.tar`` files, or both; a source given twice counts once.
        only: Keeps the files whose name contains this text.

    Raises:
        DataError: a source is missing, an archive is damaged, or there is no image in a class folder.
    """
    paths = list({Path(source).resolve(): Path(source) for source in sources}.values())
    folders: set[str] = set()
    files: list[ImageFile] = []
    for path in paths:
        names, found = _labelled_in_folder(path) if path.is_dir() else _labelled_in_tar(path)
        folders |= names
        files += [file for file in found if only is None or only in PurePosixPath(file.name).name]
    if not files:
        kept = "" if only is None else f" whose name contains {only!r}"
        raise DataError(
            f"{', '.join(map(str, paths)) or 'Nothing'} holds no images{kept} in folders of classes "
            "(CLASS/image.jpg)."
        )
    return LabelledSet(paths, sorted(folders), files)


def find_images(source: str | os.PathLike[str]) -> list[ImageFile]:
    """Lists the images of a folder with all its subfolders, of a ``.tar``, or a single image; classes are ignored.

    Only files with one of ``SUFFIXES`` count; hidden files do not.

    Raises:
        DataError: there is no such path, or it is neither a folder nor an image nor a readable archive.
    """
    path = Path(source)
    if path.is_dir():
        return [file for file in _in_folder(path) if _is_image(file.name)]
    if path.is_file() and _is_image(path.name):
        return [ImageFile(path.parent, path.name)]
    return [file for file in _in_tar(path) if _is_image(file.name)]


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
            continue
        with _open(source) as archive:
            for file in run:
                yield file, _bytes_of(archive, file)


def decode_files(files: Iterable[ImageFile]) -> Iterator[tuple[ImageFile, DecodedImage | ImageError]]:
    """Yields each file with its decoded image, or with the error if it cannot be read or decoded.

    Raises:
        DataError: an archive can no longer be opened.
    """
    for file, content in read_files(files):
        if isinstance(content, ImageError):
            yield file, content
            continue
        try:
            image: DecodedImage | ImageError = decode(content, name=PurePosixPath(file.name).name)
        except ImageError as error:
            image = error
        yield file, image


def _labelled_in_folder(root: Path) -> tuple[set[str], list[ImageFile]]:
    folders = {entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    return folders, [file for file in _in_folder(root) if "/" in file.name]


def _labelled_in_tar(path: Path) -> tuple[set[str], list[ImageFile]]:
    if not path.exists():
        raise DataError(f"There is no folder or .tar file {path}. Name one that holds one folder per class.")
    members = _members(path)
    folders = {parts[0] for parts, member in members if member.isdir() or len(parts) > 1}
    return folders, [file for file in _files_of(path, members) if "/" in file.name]


def _in_folder(root: Path) -> Iterator[ImageFile]:
    # rglob does not descend into linked folders; a class folder may be a link.
    for entry in sorted(root.iterdir()):
        for path in sorted(entry.rglob("*")) if entry.is_dir() else [entry]:
            name = path.relative_to(root)
            if not _is_hidden(name.parts) and path.is_file():
                yield ImageFile(root, name.as_posix())


def _in_tar(path: Path) -> Iterator[ImageFile]:
    return _files_of(path, _members(path))


def _files_of(path: Path, members: list[tuple[tuple[str, ...], tarfile.TarInfo]]) -> Iterator[ImageFile]:
    return (ImageFile(path, "/".join(parts), member) for parts, member in members if member.isfile())


def _members(path: Path) -> list[tuple[tuple[str, ...], tarfile.TarInfo]]:
    """Entries that are not hidden, each with the components of its name."""
    try:
        with _open(path) as archive:
            entries = [(PurePosixPath(member.name).parts, member) for member in archive.getmembers()]
    except ARCHIVE_ERRORS as error:
        raise _unreadable(path, error) from error
    return [(parts, member) for parts, member in entries if parts and not _is_hidden(parts)]


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") for part in parts)


def _open(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path)
    except ARCHIVE_ERRORS as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: BaseException) -> DataError:
    return DataError(
        f"{path} is no folder, .tar file or image that can be read ({error}). Name one that can be."
    )


def _bytes_of(archive: tarfile.TarFile, file: ImageFile) -> bytes | BrokenImageError:
    try:
        stream = archive.extractfile(file.member) if file.member is not None else None
        if stream is not None:
            return stream.read()
        reason = "the member is not a regular file"
    except ARCHIVE_ERRORS as error:
        reason = str(error)
    return BrokenImageError(f"The archive is damaged here ({reason}). Make it again.")
