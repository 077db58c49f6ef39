"""Whether a path names a file that can be read, with a sentence if it does not."""

from __future__ import annotations

import os
from pathlib import Path

from sge.errors import CheckpointError
from sge.models.wording import first_few
from sge.text import printable

_SUFFIXES = (".safetensors", ".pth", ".pt", ".pth.tar", ".ckpt", ".bin", ".onnx")


def check_is_file(path: Path) -> None:
    """Checks that there is a regular file.

    Raises:
        CheckpointError: There is none; the sentence says what is there, and what to do.
    """
    shown_path = printable(str(path))
    if os.path.isfile(path):  # unlike Path.is_file, isfile does not raise on an over-long name
        return
    if os.path.isdir(path):
        names = sorted(os.listdir(path)) if os.access(path, os.R_OK) else []
        inside = [name for name in names if name.endswith(_SUFFIXES)]
        todo = f"Give a file in it: {first_few(inside)}." if inside else "Give the weights file."
        raise CheckpointError(f"There is no weights file {shown_path}: it is a folder. {todo}")
    if os.path.exists(path):
        raise CheckpointError(
            f"There is no weights file {shown_path}: it is a device, a pipe or a socket. Give a file."
        )
    if os.path.islink(path):
        raise CheckpointError(
            f"There is no weights file {shown_path}: it is a link to a file that is not there. Give that file."
        )
    raise CheckpointError(f"There is no weights file {shown_path}. Check the path.")
