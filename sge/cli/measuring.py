"""What the commands that measure sets of images share: options, progress, intervals as text, and broken images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.progress import track

from sge.cli.console import messages
from sge.datasets import ImageFile
from sge.evaluation import Interval
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
    bool, typer.Option("--skip-broken", help="Leave out and count images that cannot be read; exits 1.")
]


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


def report_broken(done: int, broken: dict[str, str]) -> None:
    """Lists broken images on stderr.

    Raises:
        typer.Exit: some images are broken; the exit status is 1.
    """
    if not broken:
        return
    for line in (
        f"{done} done, {len(broken)} skipped:",
        *(f"  {name}: {why}" for name, why in broken.items()),
    ):
        messages.print(line, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)
