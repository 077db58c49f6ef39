"""Labelled images: folders of classes, and ``.tar`` shards whose members are ``CLASS/name.ext``."""

from __future__ import annotations

import lzma
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath

from sge.errors import BrokenImageError, ChoiceError
from sge.images.decode import Source

DAMAGE = (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError)
"""What reading an archive may end with."""


@dataclass(frozen=True)
class Sample:
    """One labelled image, not yet read."""

    source: Path
    """The folder or archive that holds it."""
    name: str
    """Below the source: ``n02099601/a.jpg``."""
    folder: str
    """What its class is called: the first part of the name."""
    member: tarfile.TarInfo | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class LabelledSet:
    """What sources hold together."""

    sources: list[Path]
    folders: list[str]
    """Of classes, sorted, with those that hold no image."""
    samples: list[Sample]
    """As chosen; in the order of the sources, sorted by name inside a folder, as written inside an archive."""

    @property
    def empty(self) -> list[str]:
        """Folders without an image."""
        held = {one.folder for one in self.samples}
        return [one for one in self.folders if one not in held]


def find_samples(sources: Iterable[str | os.PathLike[str]], only: str | None = None) -> LabelledSet:
    """Lists images and reads none. Every file in a class's folder is taken for one; hidden files are not.

    Args:
        sources: Folders that hold a folder a class, ``.tar`` files, or both; a source that is named twice counts once.
        only: Keeps the files whose name contains this.

    Raises:
        ChoiceError: no such source, a damaged archive, or no images in folders of classes.
    """
    paths = list({Path(one).resolve(): Path(one) for one in sources}.values())
    folders: set[str] = set()
    samples: list[Sample] = []
    for path in paths:
        names, found = _in_folder(path) if path.is_dir() else _in_tar(path)
        folders |= names
        samples += [one for one in found if only is None or only in PurePosixPath(one.name).name]
    if not samples:
        kept = "" if only is None else f" whose name contains {only!r}"
        raise ChoiceError(
            f"{', '.join(map(str, paths)) or 'Nothing'} holds no images{kept} in folders of classes "
            "(CLASS/image.jpg)."
        )
    return LabelledSet(paths, sorted(folders), samples)


def contents(samples: Iterable[Sample]) -> Iterator[tuple[Sample, Source | BrokenImageError]]:
    """What ``decode`` takes, for each sample; an archive is opened once for its run of samples.

    A member that cannot be read comes as the error, so that the caller may go on with the next.
    """
    for source, run in groupby(samples, key=lambda one: one.source):
        if source.is_dir():
            yield from ((one, source / one.name) for one in run)
            continue
        with _open(source) as archive:
            for one in run:
                yield one, _bytes_of(archive, one)


def _in_folder(root: Path) -> tuple[set[str], list[Sample]]:
    folders = sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))
    samples = [
        Sample(root, path.relative_to(root).as_posix(), folder.name)
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _hidden(path.relative_to(root).parts)
    ]
    return {one.name for one in folders}, samples


def _in_tar(path: Path) -> tuple[set[str], list[Sample]]:
    if not path.exists():
        raise ChoiceError(f"There is no folder or .tar file {path}. Give one that holds a folder a class.")
    folders, samples = set(), []
    try:
        with _open(path) as archive:
            members = archive.getmembers()
    except DAMAGE as error:
        raise _unreadable(path, error) from error
    for member in members:
        parts = PurePosixPath(member.name).parts
        if not parts or _hidden(parts):
            continue
        if member.isdir() or len(parts) > 1:
            folders.add(parts[0])
        if member.isfile() and len(parts) > 1:
            samples.append(Sample(path, "/".join(parts), parts[0], member))
    return folders, samples


def _hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") for part in parts)


def _open(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path)
    except DAMAGE as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: BaseException) -> ChoiceError:
    return ChoiceError(f"{path} is no folder or .tar file that can be read ({error}). Name one that is.")


def _bytes_of(archive: tarfile.TarFile, sample: Sample) -> bytes | BrokenImageError:
    try:
        file = archive.extractfile(sample.member) if sample.member is not None else None
        if file is not None:
            return file.read()
        reason = "it is no file"
    except DAMAGE as error:
        reason = str(error)
    return BrokenImageError(f"The archive is damaged here ({reason}). Make it again.")
