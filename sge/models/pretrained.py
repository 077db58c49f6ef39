"""Models that stand on published weights: the base that a dependency brings, and the delta that is ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from sge.errors import CheckpointError
from sge.files import sha256_of
from sge.models.delta import SUFFIX, Base, DeltaFile, apply_delta, check_base, read_delta
from sge.models.efficientnet_lite import base_weights, load_base
from sge.nn import insert_sge
from sge.nn.permutation.permute import IDENTITY_PERMUTATION, permutation_digest
from sge.paths import model_dir, shipped

CARD = ".card.json"
ARCH = "sge_efficientnet_lite0"
"""The one architecture whose weights a dependency brings."""


@dataclass(frozen=True)
class PretrainedModel:
    """Where a model's files lie, what its card says, and the files' hashes."""

    name: str
    facts: dict[str, Any]
    """For ``Card``, without the base."""
    base: Path
    published: Base
    """What ``base`` is, and its hash."""
    delta: DeltaFile | None
    """None: the published weights with inactive SGE are the model."""

    @property
    def file(self) -> Path:
        """The file that says which model it is: the delta, else the base."""
        return self.delta.path if self.delta else self.base

    @property
    def sha256(self) -> str:
        """Of ``file``."""
        return self.delta.sha256 if self.delta else sha256_of(self.base)

    @property
    def permutations(self) -> str:
        """Digest of the orders into which the channels were sorted: a part finder fits one of them."""
        if self.delta is None:
            return IDENTITY_PERMUTATION
        return permutation_digest(
            {block: order.numpy() for block, order in self.delta.delta.permutations.items()}
        )

    def network(self, *, inactive: bool = False) -> nn.Module:
        """The base with SGE, its channels sorted and, unless ``inactive``, with what its gates have learned.

        Raises:
            CheckpointError: the delta does not fit.
        """
        network = insert_sge(load_base(self.base))
        if self.delta is not None:
            apply_delta(network, self.delta.inactive() if inactive else self.delta)
        return network.eval()


def user_deltas() -> dict[str, Path]:
    """Name to delta of each model that the user has awakened."""
    return {path.name.removesuffix(SUFFIX): path for path in sorted(model_dir().glob(f"*{SUFFIX}"))}


def find_pretrained(name: str, delta: Path | None = None) -> PretrainedModel:
    """A shipped model's files by its name, or those of a delta elsewhere; checked by their hashes.

    Raises:
        CheckpointError: a file is not there, damaged, or does not belong to the others.
    """
    if delta is None:
        card = shipped("weights") / f"{name}{CARD}"
        beside = card.with_name(name + SUFFIX)
        file = read_delta(beside) if beside.is_file() else None
        facts = json.loads(card.read_text("utf-8"))
        base = facts.pop("base")
    else:
        file = read_delta(delta)
        facts = dict(file.delta.card)
        base = vars(file.delta.base)
    path = _base_file(name, base)
    if file is not None:
        check_base(file, base["sha256"])
        if file.delta.arch != ARCH:
            raise CheckpointError(
                f"{file.path.name} is for {file.delta.arch}; deltas are known for {ARCH} only."
            )
    return PretrainedModel(name, facts, path, Base(**base), file)


def _base_file(name: str, base: dict[str, str]) -> Path:
    """The published weights, if they are those that the card means."""
    again = f"Install {base['package']}=={base['version']} again."
    try:
        path = base_weights()
        found = sha256_of(path)
    except (ImportError, OSError) as error:
        raise CheckpointError(f"The weights of {name} are not there ({error}). {again}") from error
    if found != base["sha256"]:
        raise CheckpointError(
            f"{path.name} of the package {base['package']} is not the file that {name} was built on "
            f"(sha256 {found[:12]} instead of {base['sha256'][:12]}). {again}"
        )
    return path
