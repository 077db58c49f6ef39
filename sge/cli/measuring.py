"""What the commands that measure sets of images share: options, progress, intervals as text, and broken images."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import track
from rich.table import Table

from sge.cli.accounts import say_broken, say_notes, say_skipped
from sge.cli.console import emit, messages
from sge.datasets import ImageFile
from sge.evaluation import Evaluation, Faithfulness, GateAccuracy, Interval
from sge.images import MAX_SIZE, MIN_SIZE

SizeOption = Annotated[
    int | None,
    typer.Option(
        "--size", min=MIN_SIZE, max=MAX_SIZE, help="Pixels, in place of the network's own input size."
    ),
]
OnlyOption = Annotated[str | None, typer.Option("--only", help="Keep images whose file name contains this.")]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="Measure a random sample of so many images.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of everything that is random.")]
SkipBrokenOption = Annotated[
    bool, typer.Option("--skip-broken", hidden=True, help="What is always done; older scripts name it.")
]

Measured = Faithfulness | GateAccuracy
"""What a command measured over a set of images."""


def progress(files: list[ImageFile]) -> Iterator[ImageFile]:
    """Draws a progress bar on stderr if that is a terminal."""
    yield from track(
        files, description="images", console=messages, transient=True, disable=not messages.is_terminal
    )


def interval_text(interval: Interval | None, sign: bool = False) -> str:
    """A mean and its interval: ``0.512 (0.48 to 0.54)``; a dash where nothing was measured."""
    if interval is None:
        return "-"
    plus = "+" if sign else ""
    value = f"{interval.value:{plus}.3f}"
    if interval.low is None or interval.high is None:
        return value
    return f"{value} ({interval.low:{plus}.2f} to {interval.high:{plus}.2f})"


def print_result(model: str, result: Measured, table: Callable[[], Table], as_json: bool) -> None:
    """Prints what was measured, as one JSON object or as a table, and on stderr what the figures leave out.

    Raises:
        typer.Exit: some images are broken; the exit status is 1.
    """
    if as_json:
        emit(json.dumps({"model": model} | asdict(result)))
    else:
        emit(table())
    say_account(result)
    if result.skipped:
        raise typer.Exit(1)


def say_account(result: Measured | Evaluation) -> None:
    """Says what the figures leave out, and what the decoder says about images."""
    say_skipped(result.not_images)
    say_notes(result.notes)
    say_broken(result.images, result.broken, "skipped")
