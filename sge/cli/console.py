"""Where a person reads: results on stdout, everything else on stderr."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

messages = Console(stderr=True)
# Into a file or a pipe nothing is wrapped at a terminal's width.
results = Console(width=None if sys.stdout.isatty() else 120)


def training_bar(shown: bool = True) -> Progress:
    """For trainings: tasks carry ``rate``, images a second in words. Nothing is drawn where nobody watches."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=messages, transient=True, disable=not (shown and messages.is_terminal))
