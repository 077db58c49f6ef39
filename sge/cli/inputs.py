"""Resolves paths, folders, globs and standard input to images, and loops over them without ending at a bad file."""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sge.analysis import is_record
from sge.cli.accounts import Accounts, say_skipped
from sge.cli.console import ResultsClosedError, messages, say
from sge.datasets import Skipped, list_images, made_by_systems, why_no_image
from sge.errors import ImageError
from sge.images import DecodedImage, decode
from sge.text import printable

T = TypeVar("T")

STDIN = "-"
"""The argument that stands for standard input."""
SUMMARY = "a drawing that sge analyze made"
MAX_STREAM = 256 * 2**20
"""Bytes that are read from standard input or a named pipe; no image of the accepted size is larger."""


@dataclass(frozen=True)
class Input:
    """One image of the command line."""

    path: Path
    relative: Path
    """Path below the named folder; the file name for a named file."""
    missing: str | None = None
    """Why there is no image: a folder or glob without any, which is reported like a bad file."""

    @property
    def is_stream(self) -> bool:
        """Whether the image comes from standard input."""
        return str(self.path) == STDIN

    def decode(self) -> DecodedImage:
        """Decodes the image, and says the decoder's notes.

        Raises:
            ImageError: it cannot be read or decoded.
        """
        image = self.read()
        for note in image.notes:
            say(f"{self.path}: {note}")
        return image

    def read(self) -> DecodedImage:
        """Decodes the image and says nothing.

        Raises:
            ImageError: it cannot be read or decoded.
        """
        return decode(self._source(), name="stdin" if self.is_stream else printable(self.path.name))

    def _source(self) -> Path | bytes:
        if self.is_stream:
            return _read_stdin()
        try:
            mode = self.path.stat().st_mode
        except OSError:  # ``decode`` says why.
            return self.path
        if stat.S_ISFIFO(mode):
            with self.path.open("rb") as stream:
                return _read_stream(stream)
        if not stat.S_ISREG(mode):
            raise ImageError("This is a device or socket and no image file. Name a file.")
        return self.path


def find(arguments: list[str]) -> list[Input]:
    """Lists the images of files, folders with all their subfolders, quoted globs, and ``-`` for standard input.

    Args:
        arguments: As the user wrote them. From a folder or glob only image files are taken; a file that is named
            itself is always tried, unless it is one that operating systems make. What is left out is said on stderr.

    Returns:
        The images in order, each file once. A path that does not exist stays in the list, so that it is reported
        with the other failures.

    Raises:
        typer.BadParameter: no argument gives an image.
    """
    found: dict[str, Input] = {}
    skipped: list[Skipped] = []
    for argument in arguments:
        for item in _inputs(argument, skipped):
            found.setdefault(os.path.realpath(item.path), item)
    say_skipped(skipped)
    if all(item.missing for item in found.values()):
        raise typer.BadParameter(
            f"No images in {printable(', '.join(arguments))}. Name files, or a folder that holds some."
        )
    return list(found.values())


def for_each(inputs: list[Input], work: Callable[[Input], None]) -> None:
    """Calls ``work`` for every image, with a progress bar on stderr.

    When nobody reads the results any more, the rest is not done, which is no failure.

    Raises:
        typer.Exit: some images failed; they are listed on stderr, and the exit status is 1.
    """
    accounts = Accounts()
    try:
        for item in with_progress(inputs, inputs):
            with accounts.of(item.path):
                if item.missing:
                    raise ImageError(item.missing)
                work(item)
    except ResultsClosedError:
        pass
    accounts.close()


def _inputs(argument: str, skipped: list[Skipped]) -> list[Input]:
    path = Path(os.path.expanduser(argument))
    if argument == STDIN:
        return [Input(path, Path("stdin"))]
    if reason := made_by_systems(path.name):
        skipped.append(Skipped(path, reason))
        return []
    if os.path.isdir(path):
        listing = list_images(path)
        skipped += listing.skipped
        inputs = []
        for file in listing.files:
            if _is_summary(file.path):
                skipped.append(Skipped(file.path, SUMMARY))
            else:
                inputs.append(Input(file.path, Path(file.name)))
        inputs += [Input(e.path, Path(e.path.name), f"{e.reason}.") for e in listing.unreadable]
        return inputs or [Input(path, Path(path.name), "there are no images in this folder.")]
    if not os.path.lexists(path) and glob.has_magic(argument):
        matches = _matches(str(path), skipped)
        return matches or [Input(path, Path(path.name), "no image matches.")]
    return [Input(path, Path(path.name))]


def _matches(pattern: str, skipped: list[Skipped]) -> list[Input]:
    inputs = []
    for match in sorted(Path(name) for name in glob.glob(pattern, recursive=True)):
        if os.path.isdir(match):
            continue
        if reason := SUMMARY if _is_summary(match) else why_no_image(match):
            skipped.append(Skipped(match, reason))
        else:
            inputs.append(Input(match, Path(match.name)))
    return inputs


def _is_summary(path: Path) -> bool:
    """Whether an image is a drawing of an earlier analysis, as where images and records share a folder."""
    return path.suffix.lower() == ".png" and is_record(path)


def _read_stdin() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        what = "closed" if sys.stdin is None else "a terminal"
        raise ImageError(f"Standard input is {what}. Send an image to it: sge predict - < photo.jpg.")
    return _read_stream(sys.stdin.buffer)


def _read_stream(stream: IO[bytes]) -> bytes:
    data = stream.read(MAX_STREAM + 1)
    if len(data) > MAX_STREAM:
        raise ImageError(
            f"There are more than {MAX_STREAM // 2**20} MiB, which is no image. Name another file."
        )
    return data


def with_progress(inputs: list[Input], steps: Iterable[T]) -> Iterator[T]:
    """The steps as they come, one for each input, with a progress bar on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
        yield from progress.track(steps, total=len(inputs), description="images")
