"""What a listing of folders and archives holds: images, files that are none, and what cannot be listed."""

from __future__ import annotations

import tarfile
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ImageFile:
    """One image that is listed but not yet read."""

    source: Path
    """The folder or archive that holds it; for a single image, the folder it is in."""
    name: str
    """Path below the source, with forward slashes: ``n02099601/a.jpg``."""
    member: tarfile.TarInfo | None = field(default=None, compare=False, repr=False)
    """The archive's entry with the content; None for a file on disk."""

    @property
    def folder(self) -> str:
        """First component of the name, which names the class in a labelled set."""
        return class_of(self.name)

    @property
    def path(self) -> Path:
        """Where the file is on disk; for a member of an archive, a path for messages."""
        return self.source / self.name


@dataclass(frozen=True)
class Skipped:
    """A file or folder that a listing leaves out."""

    path: Path
    """As ``ImageFile.path``. A folder that is left out as a whole is named once, without its files."""
    reason: str
    """A few words: ``hidden``, ``text``, ``a list of thumbnails that Windows makes``."""


@dataclass
class Listing:
    """Everything that one source holds."""

    files: list[ImageFile] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    """Folders at the top of the source, which name the classes of a labelled set."""
    skipped: list[Skipped] = field(default_factory=list)
    """Files that are no images, and what operating systems and tools leave in folders."""
    unreadable: list[Skipped] = field(default_factory=list)
    """Folders, links and members that may hold images and cannot be read."""


def class_of(name: str) -> str:
    """The class folder of a name below its source.

    Unicode has two forms of many letters ("e" with an accent), and macOS writes another form than other systems: both
    name one class.
    """
    return unicodedata.normalize("NFC", name.partition("/")[0])
