"""Lists and reads the images of tar archives, and refuses archives that are cut off or damaged."""

from __future__ import annotations

import lzma
import os
import stat
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from sge.datasets.entries import ImageFile, Listing, Skipped, class_of
from sge.datasets.foreign import HEAD, foreign_file, foreign_folder
from sge.errors import BrokenImageError, DataError

ARCHIVE_ERRORS = (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError, KeyError, ValueError)
"""Exceptions that reading a damaged archive can raise."""
MAX_TRAILER = 2**20
"""Bytes after an archive's end that are searched for a second archive."""
_OTHER_ARCHIVES = {b"PK\x03\x04": "zip", b"7z\xbc\xaf'\x1c": "7z", b"Rar!": "rar", b"(\xb5/\xfd": "zst"}


def list_archive(path: Path) -> Listing:
    """Everything that a ``.tar`` holds, in the stored order; also one that gzip, bzip2 or xz has compressed.

    A link to a member is that member's content under another name. Of several members of one name the last counts, as
    for any program that unpacks the archive.

    Raises:
        DataError: it cannot be opened, is cut off or is damaged.
    """
    listing, heads = Listing(), {}
    with open_archive(path) as archive:
        members: dict[str, tarfile.TarInfo] = {}
        try:
            for member in archive:
                name = "/".join(part for part in PurePosixPath(member.name).parts if part != "/")
                members[name] = member
                if member.isreg():
                    heads[name] = _head(archive, member)
            end = _trailer(archive)
        except ARCHIVE_ERRORS as error:
            raise _damaged(path) from error
    _check_end(end, path)
    left_out: set[str] = set()
    for name, member in members.items():
        _add(listing, path, name, member, members, heads, left_out)
    return listing


def read_members(
    source: Path, files: Iterable[ImageFile]
) -> Iterator[tuple[ImageFile, bytes | BrokenImageError]]:
    """Members of one archive with their contents; the archive is opened once.

    Raises:
        DataError: the archive can no longer be opened.
    """
    with open_archive(source) as archive:
        for file in files:
            yield file, _content(archive, file)


def read_member(file: ImageFile) -> bytes | BrokenImageError:
    """Content of one member of an archive that is not compressed.

    Raises:
        DataError: as ``read_members``.
    """
    with open_archive(file.source) as archive:
        return _content(archive, file)


def is_compressed(path: Path) -> bool:
    """Whether an archive's members cannot be read in any order."""
    with path.open("rb") as stream:
        return stream.read(512)[257:262] != b"ustar"


def open_archive(path: Path) -> tarfile.TarFile:
    """Opens a tar archive for reading.

    Raises:
        DataError: there is none, or it is not one.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise DataError(f"{path} is neither a folder nor a file. Name a folder, a .tar file or an image.")
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {os.strerror(error.errno or 0)}. Check the path.") from error
    if kind := next((kind for magic, kind in _OTHER_ARCHIVES.items() if start.startswith(magic)), None):
        raise DataError(f"{path} is a {kind} archive, which is not read. Unpack it and name the folder.")
    try:
        return tarfile.open(path)
    except ARCHIVE_ERRORS as error:
        raise DataError(
            f"{path} is no folder, .tar file or image that can be read. Name one that can be."
        ) from error


def _add(
    listing: Listing,
    path: Path,
    name: str,
    member: tarfile.TarInfo,
    members: dict[str, tarfile.TarInfo],
    heads: dict[str, bytes],
    left_out: set[str],
) -> None:
    parts = name.split("/")
    folders = parts if member.isdir() else parts[:-1]
    for depth, folder in enumerate(folders, 1):
        if reason := foreign_folder(folder):
            outside = "/".join(parts[:depth])
            if outside not in left_out:
                left_out.add(outside)
                listing.skipped.append(Skipped(path / outside, reason))
            return
    if folders and folders[0]:
        listing.folders.add(class_of(folders[0]))
    if member.isdir() or not name:
        return
    target = _target(name, members)
    reason = foreign_file(parts[-1], lambda: b"" if target is None else heads.get(target, b""))
    if reason:
        listing.skipped.append(Skipped(path / name, reason))
    elif target is None or members[target].isdir():
        listing.unreadable.append(
            Skipped(path / name, f"a link to {member.linkname}, which is no file of the archive")
        )
    elif not members[target].isreg():
        listing.skipped.append(Skipped(path / name, "a named pipe or device"))
    else:
        listing.files.append(ImageFile(path, name, members[target]))


def _target(name: str, members: dict[str, tarfile.TarInfo]) -> str | None:
    """Name of the member that holds the content, through links; None if there is none."""
    for _ in range(16):
        member = members.get(name)
        if member is None or not (member.islnk() or member.issym()):
            return None if member is None else name
        link = member.linkname if member.islnk() else os.path.join(os.path.dirname(name), member.linkname)
        name = os.path.normpath(link)
    return None


def _head(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return b"" if stream is None else stream.read(HEAD)


def _content(archive: tarfile.TarFile, file: ImageFile) -> bytes | BrokenImageError:
    try:
        stream = None if file.member is None else archive.extractfile(file.member)
        content = None if stream is None else stream.read()
    except ARCHIVE_ERRORS:
        content = None
    if content is None:
        return BrokenImageError("The archive is damaged here. Make it again.")
    return content


def _trailer(archive: tarfile.TarFile) -> bytes:
    """What follows the last member, up to ``MAX_TRAILER`` bytes."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    return archive.fileobj.read(MAX_TRAILER)


def _check_end(trailer: bytes, path: Path) -> None:
    """``tarfile`` takes a damaged or missing header for the end of an archive; the format ends with zeros."""
    end = trailer[: tarfile.BLOCKSIZE]
    if len(end) < tarfile.BLOCKSIZE or any(end):
        raise _damaged(path)
    if any(trailer):
        raise DataError(
            f"{path} holds more behind its end: several archives were joined, or it is damaged. Make one archive of "
            "all files, or name each by itself."
        )


def _damaged(path: Path) -> DataError:
    return DataError(
        f"{path} is cut off or damaged: it does not end as a .tar file does. Download or make it again."
    )
