"""Models of the registry before their weights are read: one class for each way in which a model is stored."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sge.errors import CheckpointError, ChoiceError, MissingPackageError
from sge.files import sha256_of
from sge.models.card import Card
from sge.models.exported_model import ExportedModel
from sge.models.given import Given
from sge.models.model import Model
from sge.models.names import ORIGINAL_MODEL, TUNED_MODEL
from sge.models.wording import shown

if TYPE_CHECKING:
    from sge.models.checkpoint import Weights
    from sge.models.description import NamedNetwork
    from sge.models.pretrained import PretrainedModel


def _read(path: Path, weights_key: str | None = None) -> Weights:
    try:
        from sge.models.checkpoint import (
            read_weights,  # It imports torch, and listing models does not need it.
        )
    except ModuleNotFoundError as error:
        raise _needs_torch(path, error) from error
    return read_weights(path, weights_key)


def _needs_torch(path: Path, error: ModuleNotFoundError) -> MissingPackageError:
    return MissingPackageError(
        f"{shown(path.name)} holds weights, and {error.name} is not installed. Install torch, torchvision and timm; or "
        "export the model where they are, sge models export, and give the file here."
    )


def _model(weights: Weights, name: str | None, given: Given | None = None, arch: str | None = None) -> Model:
    from sge.models.model_file import model_from_weights

    return model_from_weights(weights, name, arch=arch, given=given)


def load_weights(
    path: str | os.PathLike[str],
    name: str | None,
    given: Given,
    *,
    arch: str | None = None,
    weights_key: str | None = None,
) -> Model:
    """Reads a weights file and builds its model; see ``read_weights`` and ``model_from_weights``."""
    return _model(_read(Path(path), weights_key), name, given, arch)


def load_network(
    named: NamedNetwork, name: str | None, given: Given, weights_key: str | None = None
) -> Model:
    """Builds a network of a library with its weights; see ``sge.models.described.load_named``."""
    try:
        from sge.models.described import load_named
    except ModuleNotFoundError as error:
        raise _needs_torch(Path(named.name), error) from error
    return load_named(named, name, given, weights_key)


@dataclass(frozen=True)
class Verified:
    """A model file whose content matches its recorded hash."""

    name: str
    file: str
    sha256: str
    """Hash of the file, as ``sha256sum`` prints it."""
    against: str
    """What the content was compared with, in words."""


@dataclass(frozen=True)
class Entry(ABC):
    """A model of the registry, before its weights are read."""

    name: str
    origin: str
    """``shipped``, ``imported`` (or downloaded), ``tuned`` or ``exported``."""
    path: Path
    """The file that holds its weights or its delta."""
    card: Card | None = None
    """The card from the card file beside a shipped model. None if the weights file holds the card."""

    @abstractmethod
    def load(self) -> Model | ExportedModel:
        """Reads the model onto the CPU, in eval mode, without the part finder beside it.

        Raises:
            CheckpointError: A file is missing, damaged, or not the one that it should be.
        """

    @abstractmethod
    def verify(self) -> Verified:
        """Compares the content of the model's files with the recorded hashes.

        Raises:
            CheckpointError: A file does not match, or nothing is recorded that it could be compared with.
        """

    def pretrained(self) -> PretrainedModel:
        """Returns the files of a model that is built on pretrained weights.

        Raises:
            ChoiceError: The model's file holds all of its weights.
            CheckpointError: A file is missing, damaged or does not belong to the others.
        """
        raise ChoiceError(
            f"{self.name} has a weights file of its own; only models built on pretrained weights ({ORIGINAL_MODEL}, "
            f"{TUNED_MODEL}) can be tuned by name. In Python, sge.tune_gates takes any network with SGE."
        )


class FileEntry(Entry):
    """A weights file that holds the whole model: imported, downloaded, or anywhere on the disk."""

    def load(self) -> Model:
        """See ``Entry.load``."""
        return _model(_read(self.path), self.name)

    def verify(self) -> Verified:
        """See ``Entry.verify``; the file states the digest of its content."""
        weights = _read(self.path)
        if weights.digest is None:
            raise CheckpointError(
                f"{self.path.name} carries no checksum: sge models import did not write it. Import it again."
            )
        _model(weights, self.name)
        against = "the checksum written into the file on import"
        return Verified(self.name, str(self.path), weights.sha256, against)


class ExportedEntry(Entry):
    """A file that ``export_onnx`` wrote."""

    def load(self) -> ExportedModel:
        """See ``Entry.load``."""
        from sge.models.onnx_files import read_exported  # It imports onnx.

        return read_exported(self.path, self.name)

    def verify(self) -> Verified:
        """See ``Entry.verify``; the file ends with the checksum of its content."""
        from sge.models.onnx_files import stated_checksum

        self.load()
        if stated_checksum(self.path) is None:
            raise CheckpointError(
                f"{self.path.name} carries no checksum: another program wrote it again. Export the model again."
            )
        against = "the checksum written into the file on export"
        return Verified(self.name, str(self.path), sha256_of(self.path), against)


class UnusableEntry(Entry):
    """A file in the user's folder whose name no command can take."""

    def load(self) -> Model:
        """Raises CheckpointError with the reason."""
        raise CheckpointError(
            f"{shown(self.path.name)} has a name with characters that cannot be shown. Rename it: letters, digits, '.', "
            "'_' and '-'."
        )

    def verify(self) -> Verified:
        """See ``load``."""
        self.load()
        raise AssertionError


class ShippedFileEntry(Entry):
    """A shipped weights file that holds the whole model; the card beside it states the file's hash."""

    def load(self) -> Model:
        """See ``Entry.load``."""
        assert self.card is not None
        if not self.path.is_file():
            raise CheckpointError(f"{self.path.name} is not there. Install SGE Lens again.")
        weights = _read(self.path)
        if weights.sha256 != self.card.sha256:
            raise CheckpointError(
                f"{self.path.name} is not the file that came with SGE Lens (sha256 {weights.sha256[:12]} instead of "
                f"{str(self.card.sha256)[:12]}). Install SGE Lens again."
            )
        return _model(weights, self.name, Given(card=self.card))

    def verify(self) -> Verified:
        """See ``Entry.verify``; ``load`` compares both the file's hash and its digest."""
        model = self.load()
        against = "the sha256 on the model's card and the checksum in the file"
        return Verified(self.name, str(self.path), str(model.card.sha256), against)


@dataclass(frozen=True)
class PretrainedEntry(Entry):
    """A delta on pretrained weights that a dependency installs."""

    record: dict[str, Any] | None = None
    """Content of the card file beside a shipped delta; None if the delta holds the card."""

    def pretrained(self) -> PretrainedModel:
        """See ``Entry.pretrained``."""
        try:
            from sge.models.pretrained import find_pretrained
        except ModuleNotFoundError as error:
            raise _needs_torch(self.path, error) from error
        has_delta = self.record is None or self.path.is_file()
        return find_pretrained(self.name, self.path if has_delta else None, self.record)

    def load(self) -> Model:
        """See ``Entry.load``."""
        return self.pretrained().model()

    def verify(self) -> Verified:
        """See ``Entry.verify``; the card states the base's hash, and the delta the digest of its content."""
        found = self.pretrained()
        found.model()
        against = "the sha256 on the model's card" + (" and the checksum in its delta" if found.delta else "")
        return Verified(self.name, str(found.file), found.sha256, against)
