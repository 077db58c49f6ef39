"""Paths, folders and globs to images; and a loop over them that one bad file does not end."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sge.cli.console import messages
from sge.errors import ImageNotFoundError, SGEError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"})
"""What is taken from a folder; a file that is named itself is always tried."""


@dataclass(frozen=True)
class Input:
    """One image to look at."""

    path: Path
    relative: Path
    """Below the folder that was named; the file name alone for a file."""
    lacks: str | None = None
    """Why there is nothing to look at: a folder or glob without images, which is reported like a bad file."""


def find(arguments: list[str]) -> list[Input]:
    """Files, folders (with everything below) and quoted globs, in order, each file once.

    A path that is not there stays in the list, so that it is reported with the others.
    """
    found: dict[Path, Input] = {}
    for argument in arguments:
        path = Path(argument).expanduser()
        if path.is_dir():
            inputs = [
                Input(one, one.relative_to(path)) for one in sorted(path.rglob("*")) if _is_image(one)
            ] or [Input(path, Path(path.name), "there are no images in this folder.")]
        elif not path.exists() and glob.has_magic(argument):
            matches = sorted(Path(one) for one in glob.glob(str(path), recursive=True))
            inputs = [Input(one, Path(one.name)) for one in matches if one.is_file()] or [
                Input(path, Path(path.name), "no file matches.")
            ]
        else:
            inputs = [Input(path, Path(path.name))]
        for one in inputs:
            found.setdefault(one.path.resolve(), one)
    if all(one.lacks for one in found.values()):
        raise typer.BadParameter(
            f"No images in {', '.join(arguments)}. Name files, or a folder that holds some."
        )
    return list(found.values())


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")


def for_each(inputs: list[Input], work: Callable[[Input], None]) -> None:
    """Does the work for every image, with progress on stderr; lists what failed and exits 1 if any did."""
    failed: list[tuple[Path, str]] = []
    for one in _with_progress(inputs):
        if one.lacks:
            failed.append((one.path, one.lacks))
            continue
        try:
            work(one)
        except ImageNotFoundError:
            failed.append((one.path, "there is no such file."))
        except BrokenPipeError:  # who reads the results has gone, and no image is to blame
            raise
        except (SGEError, OSError) as error:
            failed.append((one.path, str(error)))
    if failed:
        messages.print(f"{len(inputs) - len(failed)} done, {len(failed)} failed:", style="bold")
        for path, reason in failed:
            messages.print(f"  {path}: {reason}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def _with_progress(inputs: list[Input]) -> Iterator[Input]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
        yield from progress.track(inputs, description="images")
