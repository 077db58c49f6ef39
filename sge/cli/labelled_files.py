"""Opens the images that a file of labels names, in folders and in tar archives."""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

from sge.datasets import open_archive
from sge.errors import BrokenImageError, FinderError
from sge.images import DecodedImage, decode
from sge.parts import FacesImage

ARCHIVE = ".tar"


class LabelledFiles:
    """The images of labels, below one folder; ``a.tar/b.png`` is the member ``b.png`` of the archive ``a.tar``.

    Args:
        folder: Of the images.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._archives: dict[Path, tarfile.TarFile] = {}

    def check(self, images: list[FacesImage]) -> None:
        """Checks that every image is there.

        Raises:
            FinderError: one is missing.
            DataError: an archive cannot be read.
        """
        missing = [image.file for image in images if not self._is_there(image.file)]
        if missing:
            raise FinderError(
                f"{len(missing)} labelled images are not in {self._folder}: {', '.join(missing[:3])}. Put them there, or "
                "name their folder: --images."
            )

    def open(self, image: FacesImage) -> DecodedImage:
        """Decodes an image.

        Raises:
            ImageError: it cannot be read or decoded.
        """
        archive, member = self._split(image.file)
        if archive is None:
            return decode(self._folder / member)
        stream = self._archive(archive).extractfile(member)
        if stream is None:
            raise BrokenImageError(f"{image.file} is no file. Name an image.")
        return decode(stream.read(), name=PurePosixPath(member).name)

    def close(self) -> None:
        """Closes the archives."""
        for archive in self._archives.values():
            archive.close()

    def _is_there(self, file: str) -> bool:
        archive, member = self._split(file)
        if archive is None:
            return (self._folder / member).is_file()
        try:
            return self._archive(archive).getmember(member).isfile()
        except KeyError:
            return False

    def _split(self, file: str) -> tuple[Path | None, str]:
        """The archive that a file lies in, and the name within."""
        parts = PurePosixPath(file).parts
        for depth, part in enumerate(parts[:-1], 1):
            path = self._folder.joinpath(*parts[:depth])
            if part.endswith(ARCHIVE) and path.is_file():
                return path, "/".join(parts[depth:])
        return None, file

    def _archive(self, path: Path) -> tarfile.TarFile:
        if path not in self._archives:
            self._archives[path] = open_archive(path)
        return self._archives[path]
