"""Resolves paths, folders and globs to images, and loops over them without ending at a bad file."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sge.cli.console import messages
from sge.datasets import find_images
from sge.errors import ImageNotFoundError, SGEError


@dataclass(frozen=True)
class Input:
    """One image of the command line."""

    path: Path
    relative: Path
    """Path below the named folder; the file name for a named file."""
    missing: str | None = None
    """Why there is no image: a folder or glob without any, which is reported like a bad file."""


def find(arguments: list[str]) -> list[Input]:
    """Lists the images of files, folders with all their subfolders, and quoted globs.

    Args:
        arguments: As the user wrote them. From a folder only image files are taken; a file that is named itself
            is always tried.

    Returns:
        The images in order, each file once. A path that does not exist stays in the list, so that it is reported
        with the other failures.

    Raises:
        typer.BadParameter: no argument gives an image.
    """
    found: dict[Path, Input] = {}
    for argument in arguments:
        path = Path(argument).expanduser()
        if path.is_dir():
            inputs = [Input(file.path, Path(file.name)) for file in find_images(path)] or [
                Input(path, Path(path.name), "there are no images in this folder.")
            ]
        elif not path.exists() and glob.has_magic(argument):
            matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
            inputs = [Input(match, Path(match.name)) for match in matches if match.is_file()] or [
                Input(path, Path(path.name), "no file matches.")
            ]
        else:
            inputs = [Input(path, Path(path.name))]
        for item in inputs:
            found.setdefault(item.path.resolve(), item)
    if all(item.missing for item in found.values()):
        raise typer.BadParameter(
            f"No images in {', '.join(arguments)}. Name files, or a folder that holds some."
        )
    return list(found.values())


def for_each(inputs: list[Input], work: Callable[[Input], None]) -> None:
    """Calls ``work`` for every image, with a progress bar on stderr.

    Raises:
        typer.Exit: some images failed; they are listed on stderr, and the exit status is 1.
    """
    failed: list[tuple[Path, str]] = []
    for item in _with_progress(inputs):
        if item.missing:
            failed.append((item.path, item.missing))
            continue
        try:
            work(item)
        except ImageNotFoundError:
            failed.append((item.path, "there is no such file."))
        except BrokenPipeError:  # The reader of the results has gone; the image is not at fault.
            raise
        except (SGEError, OSError) as error:
            failed.append((item.path, str(error)))
    if failed:
        messages.print(f"{len(inputs) - len(failed)} done, {len(failed)} failed:", style="bold")
        for path, reason in failed:
            messages.print(f"  {path}: {reason}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def _with_progress(inputs: list[Input]) -> Iterator[Input]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
        yield from progress.track(inputs, description="images")
