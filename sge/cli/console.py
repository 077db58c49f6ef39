"""Consoles and the progress bar: results go to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import IO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from sge.errors import OutputError
from sge.text import printable


class ResultsClosedError(Exception):
    """Nobody reads the results any more, as after ``sge predict ... | head -1``."""


class ResultsLostError(OutputError):
    """Standard output cannot be written, which ends a command whatever it has done so far."""


class _Messages(Console):
    def on_broken_pipe(self) -> None:
        """Goes on in silence: whoever closed stderr still wants the results."""
        _discard(sys.stderr)


messages = _Messages(stderr=True)
# A file or a pipe has no width of its own; 120 columns keep a table's rows on one line each.
# Titles and labels come from files and may contain square brackets, which are no markup.
results = Console(
    width=None if sys.stdout is not None and sys.stdout.isatty() else 120, markup=False, highlight=False
)


def say(text: str) -> None:
    """Prints a line on stderr as it is: no markup, no wrapping, and no control characters of a file's name."""
    messages.print(Text(printable(text, keep="\n\t")), soft_wrap=True)


class Notes:
    """Says sentences on stderr, each of them once.

    Args:
        known: Those that are said already.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._said = set(known)

    def say(self, notes: Iterable[str]) -> None:
        """Says those that are new."""
        for note in notes:
            if note not in self._said:
                self._said.add(note)
                say(note)


def emit(result: RenderableType) -> None:
    """Prints a result on stdout: one line of text, or a table.

    Raises:
        ResultsClosedError: the reader has closed the pipe; later results are discarded.
        ResultsLostError: stdout cannot be written, as when a disk is full.
    """
    if isinstance(result, str):
        text = printable(result, keep="\n\t")
    else:
        with results.capture() as captured:
            results.print(result)
        text = captured.get().rstrip("\n")
    if sys.stdout is None:  # closed by whoever started the command
        return
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
        raise ResultsClosedError from None
    except OSError as error:
        _discard(sys.stdout)
        raise ResultsLostError(
            f"The results cannot be written to standard output: {error.strerror}. Free some space, or name another file."
        ) from error


def training_bar(shown: bool = True) -> Progress:
    """A progress bar for trainings.

    Each task needs the field ``rate``, a text such as ``31.5 images/s``. Nothing is drawn if stderr is no terminal.

    Args:
        shown: False in the processes of a distributed training that do not report.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=messages, transient=True, disable=not (shown and messages.is_terminal))


def discard_results() -> None:
    """Sends what is still to be printed on stdout to nowhere, after its reader has gone."""
    if sys.stdout is not None:
        _discard(sys.stdout)


def _discard(stream: IO[str]) -> None:
    """Sends what follows to nowhere, so that the last flush at the end of the process does not fail again."""
    with suppress(OSError, ValueError):  # A stream of a test has no file.
        target = os.open(os.devnull, os.O_WRONLY)
        os.dup2(target, stream.fileno())
        os.close(target)
