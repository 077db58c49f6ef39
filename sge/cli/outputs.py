"""Files that commands write: never in place of a file that this project did not write."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sge.errors import OutputError
from sge.text import printable

if TYPE_CHECKING:
    from sge.cli.inputs import Input

MAX_NAME = 255
"""Bytes that the name of a file may have."""

OverwriteOption = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace files that are in the way, also those of other programs."),
]


def check_free(path: Path, is_ours: Callable[[Path], bool], overwrite: bool) -> None:
    """Checks that a file may be written, before the work that makes its content.

    Args:
        path: The file.
        is_ours: Recognizes by its content a file that the same command wrote.
        overwrite: Also replace files of other programs.

    Raises:
        OutputError: a folder has this name, or a file that is not ours.
    """
    if not os.path.lexists(path):
        return
    if path.is_dir() and not path.is_symlink():
        raise OutputError(f"{path} is a folder. Name another file.")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is a device or named pipe and no file. Name a file.")
    if not overwrite and not is_ours(path):
        raise OutputError(
            f"{path} exists and was not written by this command. Choose another name or folder, or add --overwrite to "
            "replace it."
        )


def writable_folder(folder: Path, option: str) -> None:
    """Checks that a folder for results can be made and written, before any image is read; it is not made yet.

    Raises:
        typer.BadParameter: it cannot be written, or it or a folder above it is a file.
    """
    above = next((path for path in (folder, *folder.absolute().parents) if os.path.lexists(path)), folder)
    if not os.path.isdir(above):
        reason = f"{above} is a file" if os.path.exists(above) else f"{above} is a link that leads nowhere"
    elif not os.access(above, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        reason = f"no permission to write in {above}"
    else:
        return
    raise typer.BadParameter(
        printable(f"{folder} cannot hold the results: {reason}. Name another folder."), param_hint=option
    )


def record_files(inputs: list[Input], out: Path, ending: str) -> dict[Input, Path]:
    """Output file of each image: none is an input image, and no two are the same.

    Names that differ only in case or in the form of Unicode count as the same, as they do on the disks of many
    systems. A name that is too long with its new ending is cut.
    """
    taken = {_key(image.path) for image in inputs}
    files = {}
    for image in inputs:
        number = 1
        file = _named(out, image.relative, "", ending)
        while _key(file) in taken:
            number += 1
            file = _named(out, image.relative, f"-{number}", ending)
        taken.add(_key(file))
        files[image] = file
    return files


def _named(out: Path, relative: Path, suffix: str, ending: str) -> Path:
    stem = relative.stem if relative.suffix else relative.name
    end = f"{suffix}.{ending}"
    while len(os.fsencode(stem + end)) > MAX_NAME:
        stem = stem[:-1]
    return out / relative.parent / f"{stem}{end}"


def _key(path: Path) -> str:
    return unicodedata.normalize("NFC", os.path.realpath(path)).casefold()
