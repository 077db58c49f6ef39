"""Models of the registry before their weights are read: one class for each way in which a model is stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sge.errors import CheckpointError, ChoiceError
from sge.models.checkpoint import read_weights
from sge.models.model import Card, Model
from sge.models.model_file import Given, model_from_weights
from sge.models.names import ORIGINAL_MODEL, TUNED_MODEL
from sge.models.pretrained import PretrainedModel, find_pretrained
from sge.models.wording import shown


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
    """``shipped``, ``imported`` (or downloaded) or ``tuned``."""
    path: Path
    """The file that holds its weights or its delta."""
    card: Card | None = None
    """The card from the card file beside a shipped model. None if the weights file holds the card."""

    @abstractmethod
    def load(self) -> Model:
        """Reads the model onto the CPU, in eval mode, without its part finder.

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
        return model_from_weights(read_weights(self.path), self.name)

    def verify(self) -> Verified:
        """See ``Entry.verify``; the file states the digest of its content."""
        weights = read_weights(self.path)
        if weights.digest is None:
            raise CheckpointError(
                f"{self.path.name} carries no checksum: sge models import did not write it. Import it again."
            )
        model_from_weights(weights, self.name)
        against = "the checksum written into the file on import"
        return Verified(self.name, str(self.path), weights.sha256, against)


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
        weights = read_weights(self.path)
        if weights.sha256 != self.card.sha256:
            raise CheckpointError(
                f"{self.path.name} is not the file that came with SGE Lens (sha256 {weights.sha256[:12]} instead of "
                f"{str(self.card.sha256)[:12]}). Install SGE Lens again."
            )
        return model_from_weights(weights, self.name, given=Given(card=self.card))

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
