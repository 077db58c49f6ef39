"""Models by name: what SGE Lens ships, and what the user has imported, downloaded or tuned."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sge.errors import ChoiceError, UnknownModelError
from sge.models.cards import read_card
from sge.models.description import LIBRARIES
from sge.models.exported_model import ExportedModel
from sge.models.given import Given
from sge.models.model import Model
from sge.models.names import DELTA_SUFFIX, name_of_file
from sge.models.network_names import named_network
from sge.models.protobuf_kinds import HEAD, is_onnx
from sge.models.registry_entries import (
    Entry,
    ExportedEntry,
    FileEntry,
    PretrainedEntry,
    ShippedFileEntry,
    UnusableEntry,
    Verified,
    load_network,
    load_weights,
)
from sge.models.stated import GivenPreprocess, Labels
from sge.models.wording import quoted, shown
from sge.parts import Finder
from sge.paths import model_dir, shipped
from sge.text import printable

if TYPE_CHECKING:
    from sge.models.pretrained import PretrainedModel

WEIGHTS_SUFFIX = ".safetensors"
CARD_SUFFIX = ".card.json"
FINDER_SUFFIX = ".parts.json"
EXPORTED_SUFFIX = ".onnx"
_CHECKPOINT_SUFFIXES = (WEIGHTS_SUFFIX, EXPORTED_SUFFIX, ".tar", ".pth", ".pt", ".ckpt", ".bin")


def entries() -> dict[str, Entry]:
    """Lists every model by name.

    Of equal names, imported weights go before exported files in the user's folder, these before shipped models, and
    shipped before tuned ones. Where PyTorch is not installed, exported files go before all others.
    """
    own = _own_files()
    exported = [_own_entry(path) for path in own if path.name.endswith(EXPORTED_SUFFIX)]
    found: list[Entry] = [_own_entry(path) for path in own if path.name.endswith(DELTA_SUFFIX)]
    found += shipped_entries().values()
    found += exported
    found += [_own_entry(path) for path in own if not path.name.endswith((DELTA_SUFFIX, EXPORTED_SUFFIX))]
    if importlib.util.find_spec("torch") is None:
        found += exported
    return dict(sorted({entry.name: entry for entry in found}.items()))


def _own_files() -> list[Path]:
    """Returns the weights files, deltas and exported files in the user's folder; one that cannot be read has none."""
    try:
        names = os.listdir(model_dir())
    except OSError:
        return []
    # A name that begins with a dot is a file that is being written.
    suffixes = (WEIGHTS_SUFFIX, EXPORTED_SUFFIX)
    return [model_dir() / name for name in sorted(names) if name.endswith(suffixes) and name[0] != "."]


def _own_entry(path: Path) -> Entry:
    suffix = next(s for s in (DELTA_SUFFIX, WEIGHTS_SUFFIX, EXPORTED_SUFFIX) if path.name.endswith(s))
    name = path.name.removesuffix(suffix)
    if printable(name) != name:
        return UnusableEntry(shown(name), "imported", path)
    if suffix == DELTA_SUFFIX:
        return PretrainedEntry(name, "tuned", path)
    is_exported = suffix == EXPORTED_SUFFIX
    return ExportedEntry(name, "exported", path) if is_exported else FileEntry(name, "imported", path)


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
    if is_architecture(name):
        hint = (
            f" {name} is an architecture: give its weights file too, or fetch or import them "
            "(sge models download, sge models import)."
        )
    elif name.startswith(tuple(f"{library}:" for library in LIBRARIES)):
        hint = " Give the network's weights a name first: sge models import FILE --network timm:NAME."
    elif ":" in name:
        hint = " A network of a library is named timm:NAME@FILE or torchvision:NAME@FILE."
    return UnknownModelError(f"No model {quoted(name)}; there are: {', '.join(known)}.{hint}")


def is_architecture(name: str) -> bool:
    """Whether a name is that of an architecture; without torch none is known."""
    try:
        from sge.models.architectures import ARCHITECTURES
    except ModuleNotFoundError:  # no torch
        return False
    return name in ARCHITECTURES


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
        name: The name of a shipped, imported, tuned or exported model; the name of an architecture together with
            ``weights``; the path of a safetensors file, of a torch checkpoint such as the authors' ``.pth.tar``, or of
            an ONNX file that ``export_onnx`` wrote; or a network of timm or torchvision with its weights, such as
            ``timm:resnet50@weights.safetensors`` (see ``named_network``), into which SGE is inserted if they have none.
        weights: A weights file for the architecture or the library's network ``name``.
        finder: Also load the part finder ``NAME.parts.json`` of a model by name, if there is one.
        labels: For a file: one label for each class, or the path of a file with them.
        preprocess: For a file: the network's input, some of its fields, or the path of a JSON file with them.
        weights_key: For a file that holds several networks' weights: ``plain``, ``ema`` or a name.

    Returns:
        The model on the CPU, in eval mode; of an ONNX file an ``ExportedModel``, which needs no torch. Random weights are
        never returned. What a file does not state is assumed, and the notes of its card say so.

    Raises:
        UnknownModelError: There is no model of that name; the message lists the names.
        CheckpointError: The file, the labels or the preprocessing cannot be used.
        ChoiceError: Labels, preprocessing or ``weights_key`` are given for a model by name; or a library has no network
            of the name, or the network takes other arguments.
        UnsupportedNetworkError: SGE cannot be inserted into a library's network.
        FinderError: The part finder is damaged, or was fitted for other blocks or channel permutations.
        MissingPackageError: The model needs a package that is not installed.
    """
    given = Given(labels, preprocess)
    if (network := named_network(name, weights)) is not None:
        return load_network(network, None, given, weights_key)
    if weights is not None:
        return load_weights(weights, str(name), given, arch=str(name), weights_key=weights_key)
    known = entries()
    entry = known.get(str(name)) or _entry_of_path(name)
    if entry is None:
        raise _unknown(str(name), known)
    if any(choice is not None for choice in (labels, preprocess, weights_key)):
        if str(name) in known or not isinstance(entry, FileEntry):
            raise ChoiceError(
                f"{name} has labels and preprocessing of its own. Give labels, preprocess and weights_key with a file."
            )
        return load_weights(entry.path, entry.name, given, weights_key=weights_key)
    model = entry.load()
    if not finder:
        return replace(model, finder=None)
    return replace(model, finder=_finder_of(model) or model.finder) if str(name) in known else model


def _entry_of_path(name: str | os.PathLike[str]) -> Entry | None:
    path = Path(name)
    if path.name.endswith(DELTA_SUFFIX):
        return PretrainedEntry(path.name.removesuffix(DELTA_SUFFIX), "tuned", path)
    # unlike Path.is_file, isfile does not raise on an over-long name
    is_there = os.path.isfile(path) or (os.sep in str(name) and os.path.exists(path))
    if is_there and begins_onnx(path):
        return ExportedEntry(path.name.removesuffix(EXPORTED_SUFFIX), "exported", path)
    if is_there or path.suffix.lower() in _CHECKPOINT_SUFFIXES:
        return FileEntry(name_of_file(path), "imported", path)
    return None


def begins_onnx(path: Path) -> bool:
    """Whether a file is an ONNX model, by its content."""
    if not os.path.isfile(path):  # Opening a pipe would wait for its other end.
        return False
    try:
        with path.open("rb") as file:
            return is_onnx(file.read(HEAD))
    except OSError:  # It is no file, or cannot be read; the reader of weights says what is wrong.
        return False


def load_torch_model(name: str | os.PathLike[str], *, finder: bool = True) -> Model:
    """``load_model`` for a caller that needs the network itself: to train it, or to take it apart.

    Raises:
        ChoiceError: The model is an exported file, which has no network.
    """
    model = load_model(name, finder=finder)
    if isinstance(model, ExportedModel):
        raise ChoiceError(
            f"{shown(str(name))} is an exported file, which can be used but not trained or taken apart. Give the weights "
            "that it was made from."
        )
    return model


def finder_file(name: str) -> Path | None:
    """Returns the user's own part finder for a model of that name, else the shipped one, else None."""
    files = (folder / f"{name}{FINDER_SUFFIX}" for folder in (model_dir(), shipped("weights")))
    return next((file for file in files if file.is_file()), None)


def _finder_of(model: Model | ExportedModel) -> Finder | None:
    if (file := finder_file(model.name)) is None:
        return None
    finder = Finder.load(file)
    finder.check_permutation(model.permutations)
    finder.check(model.groups, model.channels if isinstance(model, ExportedModel) else None)
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
    if name.endswith(".delta"):
        raise ChoiceError(
            f"{name!r} cannot be a model's name, because its file would be taken for that of a tuned model. Leave out "
            "'.delta'."
        )
