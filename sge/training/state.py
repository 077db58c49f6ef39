"""The saved state of a training: written as a whole or not at all, and compared before it is resumed."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sge.errors import CheckpointError, TrainingError
from sge.files import write_atomically

log = logging.getLogger(__name__)

VERSION = 2
"""Version of the state; states of version 1 carry none."""
LAST, BEFORE_LAST = "last.pt", "before_last.pt"
LATER = {"names of the images", "dev images"}
"""Facts that states of earlier releases lack; such a state is resumed without comparing them."""
State = dict[str, Any]


@dataclass(frozen=True)
class StateFiles:
    """Where the state of a training is kept."""

    last: Path
    before_last: Path | None = None
    """Where the state before the last one is kept; None: nowhere."""

    @classmethod
    def in_folder(cls, folder: Path) -> StateFiles:
        """``last.pt`` and ``before_last.pt`` in the folder of a training."""
        return cls(folder / LAST, folder / BEFORE_LAST)

    @property
    def existing(self) -> list[Path]:
        """The files that are there, the newest first."""
        return [path for path in (self.last, self.before_last) if path is not None and path.exists()]

    def save(self, state: State) -> None:
        """Writes the state; the one before it is kept as ``before_last``.

        Raises:
            TrainingError: it cannot be written, as when the disk is full; the states before are unchanged.
        """
        file = io.BytesIO()
        torch.save({"version": VERSION} | state, file)
        try:
            if self.before_last is not None and self.last.exists():
                self.last.replace(self.before_last)
            write_atomically(self.last, file.getvalue())
        except OSError as error:
            raise TrainingError(
                f"The state of the training cannot be written to {self.last}: {error.strerror}. Free some space; the same "
                "command then resumes from the state before."
            ) from error

    def load(self) -> State | None:
        """Reads the newest state that is not damaged; None when no file exists.

        Raises:
            CheckpointError: All files are damaged, or an older version of SGE Lens wrote them.
        """
        for path in self.existing:
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
            except Exception as error:  # which type torch raises depends on the damaged byte
                log.warning("%s is damaged (%s).", path, type(error).__name__)
                continue
            if (
                isinstance(state, dict)
                and "step" in state
                and _is_identity(state.get("identity", {"config": {}}))
            ):
                self._check_version(path, state)
                return state
        if self.existing:
            raise CheckpointError(
                f"{self._names()} is no state of a training, or damaged. {self._start_again()}"
            )
        return None

    def check_same(self, state: State, identity: State) -> None:
        """Compares the training that wrote the state with the one that would resume it.

        Args:
            state: What ``load`` returned.
            identity: ``config`` (the settings) and other facts that decide the result, as plain data.

        Raises:
            CheckpointError: They differ; the message names what differs, and each setting with both values.
        """
        saved = state["identity"]
        differences = [
            f"{name} ({_shown(saved['config'].get(name))} there, {_shown(identity['config'].get(name))} here)"
            for name in sorted(saved["config"] | identity["config"])
            if saved["config"].get(name) != identity["config"].get(name)
        ]
        differences += [
            f"the {name}{_difference(saved.get(name), identity.get(name))}"
            for name in sorted(saved | identity)
            if name not in ("config", *(LATER - saved.keys())) and saved.get(name) != identity.get(name)
        ]
        if differences:
            raise CheckpointError(
                f"{self.last} holds another training: it differs in {', '.join(differences)}. {self._start_again()}"
            )

    def _check_version(self, path: Path, state: State) -> None:
        if state.get("version") != VERSION:
            raise CheckpointError(
                f"{path} was written by another version of SGE Lens (version {state.get('version', 1)} of the state, "
                f"not {VERSION}) and cannot be resumed. {self._start_again()}"
            )

    def _names(self) -> str:
        return " and ".join(str(path) for path in self.existing)

    def _start_again(self) -> str:
        files = " and ".join(path.name for path in (self.last, self.before_last) if path is not None)
        if self.before_last is None:
            return f"Name another file, or delete {files} to start again."
        return f"Name another folder (--out), or delete {files} to start again."


def _is_identity(identity: Any) -> bool:
    return isinstance(identity, dict) and isinstance(identity.get("config"), dict)


def _difference(saved: Any, here: Any) -> str:
    """What distinguishes two facts, in brackets; nothing for hashes, which say nothing to a person."""
    if isinstance(saved, list) and isinstance(here, list):
        changes = [f"without {name}" for name in saved if name not in here]
        changes += [f"with {name}" for name in here if name not in saved]
        return f" ({', '.join(changes[:5]) or 'in another order'} here)"
    if isinstance(saved, int) and isinstance(here, int):
        return f" ({saved} there, {here} here)"
    return ""


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)
