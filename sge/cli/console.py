"""Consoles and the progress bar: results go to stdout, everything else to stderr."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

messages = Console(stderr=True)
# A file or a pipe has no width of its own; 120 columns keep a table's rows on one line each.
results = Console(width=None if sys.stdout.isatty() else 120)


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
