"""Models by name: what SGE Lens ships, and what the user has imported, downloaded or tuned."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sge.errors import ChoiceError, UnknownModelError
from sge.models.architectures import ARCHITECTURES
from sge.models.cards import read_card
from sge.models.checkpoint import read_weights
from sge.models.delta import DELTA_SUFFIX
from sge.models.exported_file import read_exported
from sge.models.exported_model import ExportedModel
from sge.models.model import Model
from sge.models.model_file import Given, model_from_weights
from sge.models.pretrained import PretrainedModel
from sge.models.registry_entries import (
    Entry,
    FileEntry,
    PretrainedEntry,
    ShippedFileEntry,
    UnusableEntry,
    Verified,
)
from sge.models.stated import GivenPreprocess, Labels
from sge.models.wording import quoted, shown
from sge.nn import sge_blocks
from sge.parts import Finder
from sge.paths import model_dir, shipped
from sge.text import printable

WEIGHTS_SUFFIX = ".safetensors"
CARD_SUFFIX = ".card.json"
FINDER_SUFFIX = ".parts.json"
_CHECKPOINT_SUFFIXES = (WEIGHTS_SUFFIX, ".tar", ".pth", ".pt", ".ckpt", ".bin")


def entries() -> dict[str, Entry]:
    """Lists every model by name. Of equal names, imported goes before shipped, and shipped before tuned."""
    own = _own_files()
    found: list[Entry] = [_own_entry(path) for path in own if path.name.endswith(DELTA_SUFFIX)]
    found += shipped_entries().values()
    found += [_own_entry(path) for path in own if not path.name.endswith(DELTA_SUFFIX)]
    return dict(sorted({entry.name: entry for entry in found}.items()))


def _own_files() -> list[Path]:
    """Returns the weights files and deltas in the user's folder; a folder that cannot be read has none."""
    try:
        names = os.listdir(model_dir())
    except OSError:
        return []
    # A name that begins with a dot is a file that is being written.
    return [model_dir() / name for name in sorted(names) if name.endswith(WEIGHTS_SUFFIX) and name[0] != "."]


def _own_entry(path: Path) -> Entry:
    is_delta = path.name.endswith(DELTA_SUFFIX)
    name = path.name.removesuffix(DELTA_SUFFIX if is_delta else WEIGHTS_SUFFIX)
    if printable(name) != name:
        return UnusableEntry(shown(name), "imported", path)
    return PretrainedEntry(name, "tuned", path) if is_delta else FileEntry(name, "imported", path)


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
    return UnknownModelError(f"No model {quoted(name)}; there are: {', '.join(known)}.{hint}")


def load_model(
    name: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    *,
    finder: bool = True,
    labels: Labels | None = None,
    preprocess: GivenPreprocess | None = None,
    weights_key: str | None = None,
) -> Model | ExportedModel:
    """Loads a model by name, or from a file.

    Args:
        name: The name of a shipped, imported or tuned model; the name of an architecture together with
            ``weights``; or the path of a safetensors file or of a torch checkpoint such as the authors' ``.pth.tar``.
        weights: A weights file for the architecture ``name``.
        finder: Also load the part finder ``NAME.parts.json`` of a model by name, if there is one.
        labels: For a file: one label for each class, or the path of a file with them.
        preprocess: For a file: the network's input, some of its fields, or the path of a JSON file with them.
        weights_key: For a file that holds several networks' weights: ``plain``, ``ema`` or a name.

    Returns:
        The model on the CPU, in eval mode. Random weights are never returned. What a file does not state is assumed,
        and the notes of its card say so.

    Raises:
        UnknownModelError: There is no model of that name; the message lists the names.
        CheckpointError: The file, the labels or the preprocessing cannot be used.
        ChoiceError: Labels, preprocessing or ``weights_key`` are given for a model by name.
        FinderError: The part finder is damaged, or was fitted for other channel permutations.
    """
    if weights is None and Path(name).suffix == ".onnx" and os.path.isfile(name):
        return read_exported(Path(name))
    given = Given(labels, preprocess)
    if weights is not None:
        return model_from_weights(read_weights(weights, weights_key), str(name), arch=str(name), given=given)
    known = entries()
    entry = known.get(str(name)) or _entry_of_path(name)
    if entry is None:
        raise _unknown(str(name), known)
    if any(choice is not None for choice in (labels, preprocess, weights_key)):
        if str(name) in known or not isinstance(entry, FileEntry):
            raise ChoiceError(
                f"{name} has labels and preprocessing of its own. Give labels, preprocess and weights_key with a file."
            )
        return model_from_weights(read_weights(entry.path, weights_key), entry.name, given=given)
    model = entry.load()
    return replace(model, finder=_finder_of(model)) if finder and str(name) in known else model


def _entry_of_path(name: str | os.PathLike[str]) -> Entry | None:
    path = Path(name)
    if path.name.endswith(DELTA_SUFFIX):
        return PretrainedEntry(path.name.removesuffix(DELTA_SUFFIX), "tuned", path)
    # unlike Path.is_file, isfile does not raise on an over-long name
    is_there = os.path.isfile(path) or (os.sep in str(name) and os.path.exists(path))
    if is_there or path.suffix.lower() in _CHECKPOINT_SUFFIXES:
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
