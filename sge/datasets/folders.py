"""Lists the images of a folder: follows links without running in circles, and keeps what cannot be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sge.datasets.entries import ImageFile, Listing, Skipped, class_of
from sge.datasets.foreign import HEAD, foreign_file, foreign_folder, foreign_name, has_image_name

_Identity = tuple[int, int]
"""Device and inode, which two names of one folder share."""


def list_folder(root: Path) -> Listing:
    """Everything below a folder, sorted by name within each folder.

    Links are followed. A link to a folder that holds it is left out, and so is one to a folder that was listed
    before below the same folder of ``root``.

    Args:
        root: The folder.
    """
    return _Walk(root).listing


class _Walk:
    def __init__(self, root: Path) -> None:
        self.root, self.listing = root, Listing()
        self._above = set(_identities(Path(os.path.realpath(root))))
        self._visited: set[_Identity] = set()
        self._links: list[tuple[str, _Identity, tuple[_Identity, ...]]] = []
        """Links to folders, which are followed after the folders themselves."""
        self._folder("", ())
        self.listing.files.sort(key=lambda file: file.name.split("/"))

    def _folder(self, name: str, above: tuple[_Identity, ...]) -> None:
        path = self.root / name
        try:
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._unreadable(name, f"the folder cannot be listed ({_reason(error)})")
            return
        for entry in found:
            self._entry(entry, f"{name}/{entry.name}" if name else entry.name, above)
            if not name:
                while self._links:
                    self._follow(*self._links.pop(0))
                self._visited.clear()

    def _entry(self, entry: os.DirEntry[str], name: str, above: tuple[_Identity, ...]) -> None:
        try:
            status = entry.stat()
        except OSError as error:
            self._without_status(name, entry.name, error)
            return
        if stat.S_ISDIR(status.st_mode):
            self._subfolder(entry, name, _identity(status), above)
        elif not stat.S_ISREG(status.st_mode):
            self._skip(name, foreign_name(entry.name) or _special(status.st_mode))
        else:
            self._file(entry, name)

    def _subfolder(
        self, entry: os.DirEntry[str], name: str, identity: _Identity, above: tuple[_Identity, ...]
    ) -> None:
        if reason := foreign_folder(entry.name):
            self._skip(name, reason)
        elif "/" in name and entry.is_symlink():
            self._links.append((name, identity, above))
        else:
            self._follow(name, identity, above)

    def _follow(self, name: str, identity: _Identity, above: tuple[_Identity, ...]) -> None:
        if identity in self._above or identity in above:
            self._skip(name, "a link to a folder that holds it")
        elif identity in self._visited:
            self._skip(name, "a link to a folder that is listed already")
        else:
            if "/" not in name:
                self.listing.folders.add(class_of(name))
            self._visited.add(identity)
            self._folder(name, (*above, identity))

    def _file(self, entry: os.DirEntry[str], name: str) -> None:
        try:
            reason = foreign_file(entry.name, lambda: _head(entry.path))
        except OSError as error:
            self._unreadable(name, f"the file cannot be read ({_reason(error)})")
            return
        if reason:
            self._skip(name, reason)
        else:
            self.listing.files.append(ImageFile(self.root, name))

    def _without_status(self, name: str, last: str, error: OSError) -> None:
        """A link that leads nowhere, or a file that has just been deleted: reading an image gives the error."""
        if reason := foreign_name(last):
            self._skip(name, reason)
        elif has_image_name(last):
            self.listing.files.append(ImageFile(self.root, name))
        else:
            self._unreadable(name, f"the link leads nowhere ({_reason(error)})")

    def _skip(self, name: str, reason: str) -> None:
        self.listing.skipped.append(Skipped(self.root / name, reason))

    def _unreadable(self, name: str, reason: str) -> None:
        self.listing.unreadable.append(Skipped(self.root / name, reason))


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino


def _identities(folder: Path) -> Iterator[_Identity]:
    for above in (folder, *folder.parents):
        with suppress(OSError):
            yield _identity(above.stat())


def _head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(HEAD)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _special(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"
