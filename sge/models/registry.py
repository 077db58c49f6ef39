"""Models by name: what SGE Lens ships, and what the user has imported, downloaded or tuned."""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sge.errors import CheckpointError, ChoiceError, UnknownModelError
from sge.models.architectures import ARCHITECTURES
from sge.models.cards import read_card
from sge.models.checkpoint import read_weights
from sge.models.delta import DELTA_SUFFIX
from sge.models.model import Card, Model
from sge.models.model_file import model_from_weights
from sge.models.names import ORIGINAL_MODEL, TUNED_MODEL
from sge.models.pretrained import PretrainedModel, find_pretrained
from sge.nn import sge_blocks
from sge.parts import Finder
from sge.paths import model_dir, shipped

WEIGHTS_SUFFIX = ".safetensors"
CARD_SUFFIX = ".card.json"
FINDER_SUFFIX = ".parts.json"
_CHECKPOINT_SUFFIXES = (WEIGHTS_SUFFIX, ".tar", ".pth", ".pt")


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
        return model_from_weights(weights, self.name, card=self.card)

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


def entries() -> dict[str, Entry]:
    """Lists every model by name. Of equal names, imported goes before shipped, and shipped before tuned."""
    own = sorted(model_dir().glob(f"*{WEIGHTS_SUFFIX}"))
    found: list[Entry] = [
        PretrainedEntry(path.name.removesuffix(DELTA_SUFFIX), "tuned", path)
        for path in own
        if path.name.endswith(DELTA_SUFFIX)
    ]
    found += shipped_entries().values()
    found += [FileEntry(path.stem, "imported", path) for path in own if not path.name.endswith(DELTA_SUFFIX)]
    return dict(sorted({entry.name: entry for entry in found}.items()))


def shipped_entries() -> dict[str, Entry]:
    """Lists the models that SGE Lens ships, by name."""
    return {
        entry.name: entry for entry in map(_shipped_entry, sorted(shipped("weights").glob(f"*{CARD_SUFFIX}")))
    }


def _shipped_entry(card_file: Path) -> Entry:
    name = card_file.name.removesuffix(CARD_SUFFIX)
    record: dict[str, Any] = json.loads(card_file.read_text("utf-8"))
    card = read_card({key: value for key, value in record.items() if key != "base"})
    if "base" in record:
        return PretrainedEntry(name, "shipped", card_file.with_name(name + DELTA_SUFFIX), card, record)
    return ShippedFileEntry(name, "shipped", card_file.with_name(name + WEIGHTS_SUFFIX), card)


def model_names() -> list[str]:
    """Lists every name that ``load_model`` takes alone."""
    return list(entries())


def find_entry(name: str) -> Entry:
    """Returns a model of the registry.

    Raises:
        UnknownModelError: There is no model of that name; the message lists the names.
    """
    known = entries()
    if name not in known:
        raise _unknown(name, known)
    return known[name]


def _unknown(name: str, known: Iterable[str]) -> UnknownModelError:
    hint = ""
    if name in ARCHITECTURES:
        hint = (
            f" {name} is an architecture: give its weights file too, or fetch or import them "
            "(sge models download, sge models import)."
        )
    return UnknownModelError(f"No model {name!r}; there are: {', '.join(known)}.{hint}")


def load_model(
    name: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None, *, finder: bool = True
) -> Model:
    """Loads a model by name, or from a file.

    Args:
        name: The name of a shipped, imported or tuned model; the name of an architecture together with
            ``weights``; or the path of a ``.safetensors`` file or of a torch checkpoint such as the authors'
            ``.pth.tar``.
        weights: A weights file for the architecture ``name``.
        finder: Also load the part finder ``NAME.parts.json`` of a model by name, if there is one.

    Returns:
        The model on the CPU, in eval mode. Random weights are never returned.

    Raises:
        UnknownModelError: There is no model of that name; the message lists the names.
        CheckpointError: The file cannot be used.
        FinderError: The part finder is damaged, or was fitted for other channel permutations.
    """
    if weights is not None:
        return model_from_weights(read_weights(weights), str(name), arch=str(name))
    known = entries()
    entry = known.get(str(name)) or _entry_of_path(name)
    if entry is None:
        raise _unknown(str(name), known)
    model = entry.load()
    return replace(model, finder=_finder_of(model)) if finder and str(name) in known else model


def _entry_of_path(name: str | os.PathLike[str]) -> Entry | None:
    path = Path(name)
    if path.name.endswith(DELTA_SUFFIX):
        return PretrainedEntry(path.name.removesuffix(DELTA_SUFFIX), "tuned", path)
    # unlike Path.is_file, isfile does not raise on an over-long name
    if os.path.isfile(path) or path.suffix in _CHECKPOINT_SUFFIXES:
        return FileEntry(path.name.split(".")[0], "imported", path)
    return None


def finder_file(name: str) -> Path | None:
    """Returns the user's own part finder for a model of that name, else the shipped one, else None."""
    files = (folder / f"{name}{FINDER_SUFFIX}" for folder in (model_dir(), shipped("weights")))
    return next((file for file in files if file.is_file()), None)


def _finder_of(model: Model) -> Finder | None:
    if (file := finder_file(model.name)) is None:
        return None
    finder = Finder.load(file)
    finder.check_permutation(model.permutations)
    finder.check({name: module.groups for name, module in sge_blocks(model.network).items()})
    return finder


def pretrained_model(name: str) -> PretrainedModel:
    """Returns the files of a shipped or tuned model that is built on pretrained weights.

    Raises:
        UnknownModelError: There is no model of that name; the message lists the names.
        ChoiceError: The model's file holds all of its weights.
        CheckpointError: A file is missing, damaged or does not belong to the others.
    """
    return find_entry(name).pretrained()


def verify_model(name: str) -> Verified:
    """Compares the files of a model with the hashes that were recorded when they were made.

    Raises:
        UnknownModelError: There is no model of that name; the message lists the names.
        CheckpointError: A file does not match, or nothing is recorded that it could be compared with.
    """
    return find_entry(name).verify()


def check_name(name: str) -> None:
    """Refuses a name that a model of the user's cannot have.

    Raises:
        ChoiceError: It is no file name, or the name of a shipped model.
    """
    if name in shipped_entries():
        raise ChoiceError(f"{name} is the name of a model that comes with SGE Lens. Choose another: --name.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ChoiceError(
            f"{name!r} cannot be a model's name. Use letters, digits, '.', '_' and '-', beginning with a letter "
            "or a digit."
        )
