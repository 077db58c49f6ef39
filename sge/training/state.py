"""A training on disk: written whole or not at all, and the one before it is kept."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import torch

from sge.errors import CheckpointError
from sge.files import write_atomically

log = logging.getLogger(__name__)

LAST, BEFORE = "last.pt", "before_last.pt"
State = dict[str, Any]


def save_state(folder: Path, state: State) -> None:
    """Writes ``last.pt``; what was there becomes ``before_last.pt``."""
    file = io.BytesIO()
    torch.save(state, file)
    last = folder / LAST
    if last.exists():
        last.replace(folder / BEFORE)
    write_atomically(last, file.getvalue())


def load_state(folder: Path) -> State | None:
    """The last state that can be read, or None where nothing was ever written.

    Raises:
        CheckpointError: there are files, and none can be read.
    """
    files = [path for name in (LAST, BEFORE) if (path := folder / name).exists()]
    for path in files:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if isinstance(state, dict) and "step" in state:
                return state
        except Exception as error:  # torch raises by the byte that is bad
            log.warning("%s is damaged (%s); the state before it is tried.", path, type(error).__name__)
    if files:
        raise CheckpointError(
            f"The states in {folder} are damaged. Name another folder (--out), or delete them to begin anew."
        )
    return None


def check_same(saved: State, wanted: dict[str, Any], folder: Path) -> None:
    """Refuses to go on with another training.

    Raises:
        CheckpointError: recipe, images or start differ; the message names what.
    """
    about = saved["about"]
    if other := sorted(key for key in wanted if about.get(key) != wanted[key]):
        raise CheckpointError(
            f"{folder} holds another training: {', '.join(other)} differ. Name another folder (--out), "
            f"or delete {LAST} and {BEFORE} to begin anew."
        )
