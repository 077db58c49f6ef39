"""Says on stderr what does not enter a result: files that are no images, broken images, notes of the decoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import typer

from sge.cli.console import ResultsLostError, say
from sge.datasets import Skipped
from sge.errors import ImageNotFoundError, SGEError

MAX_LINES = 20
"""Entries of a list that is told; the rest is counted."""


class Accounts:
    """Counts what was done and keeps why the rest was not, so that one bad image does not end the others."""

    def __init__(self) -> None:
        self.done = 0
        self.failed: dict[str, str] = {}
        """Path to the reason."""

    @contextmanager
    def of(self, path: Path) -> Iterator[None]:
        """Context manager of the work for one image: what a user can cause is kept and not raised."""
        try:
            yield
        except ImageNotFoundError:
            self.failed[str(path)] = "there is no such file."
        except ResultsLostError:
            raise
        except SGEError as error:
            self.failed[str(path)] = str(error)
        except OSError as error:
            self.failed[str(path)] = f"{error.strerror or type(error).__name__}."
        else:
            self.done += 1

    def close(self) -> None:
        """Lists the failures on stderr.

        Raises:
            typer.Exit: there were some; the exit status is 1.
        """
        say_broken(self.done, self.failed)
        if self.failed:
            raise typer.Exit(1)


def say_skipped(skipped: Iterable[Skipped] | Mapping[str, str]) -> None:
    """Counts and names files that are no images."""
    entries = (
        dict(skipped)
        if isinstance(skipped, Mapping)
        else {str(entry.path): entry.reason for entry in skipped}
    )
    if entries:
        what = "entry that is no image is" if len(entries) == 1 else "entries that are no images are"
        _say_list(f"{len(entries)} {what} left out:", [f"{path}: {why}" for path, why in entries.items()])


def say_notes(notes: Mapping[str, Iterable[str]]) -> None:
    """What the decoder says about images."""
    lines = [f"{path}: {' '.join(sentences)}" for path, sentences in notes.items()]
    if lines:
        _say_list("1 image has a note:" if len(lines) == 1 else f"{len(lines)} images have a note:", lines)


def say_broken(done: int, broken: Mapping[str, str], word: str = "failed") -> None:
    """Counts and names every image that could not be read."""
    if broken:
        say(f"{done} done, {len(broken)} {word}:")
        for path, why in broken.items():
            say(f"  {path}: {why}")


def _say_list(title: str, lines: list[str]) -> None:
    say(title)
    for line in lines[:MAX_LINES]:
        say(f"  {line}")
    if len(lines) > MAX_LINES:
        say(f"  and {len(lines) - MAX_LINES} more")
