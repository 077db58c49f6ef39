"""Imports a weights file or an exported file into the user's model folder. Importing this module does not import torch."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sge.errors import CheckpointError, ChoiceError
from sge.files import write_atomically
from sge.models.card import Card
from sge.models.cards import read_card
from sge.models.description import Description, NamedNetwork, with_choices
from sge.models.given import Given
from sge.models.model import Model
from sge.models.network_names import named_network
from sge.models.onnx_files import is_stated, read_exported
from sge.models.registry import EXPORTED_SUFFIX, WEIGHTS_SUFFIX, begins_onnx, check_name, is_architecture
from sge.models.registry_entries import load_network, load_weights
from sge.models.stated import GivenPreprocess, Labels
from sge.models.wording import shown
from sge.paths import model_dir

if TYPE_CHECKING:
    from sge.models.foreign_maps import GivenMaps


def import_weights(
    path: str | os.PathLike[str],
    name: str | None = None,
    folder: Path | None = None,
    card: Card | None = None,
    *,
    labels: Labels | None = None,
    preprocess: GivenPreprocess | None = None,
    weights_key: str | None = None,
    network: str | Description | None = None,
    groups: int | None = None,
    where: str | Sequence[str] | None = None,
    maps: GivenMaps | None = None,
) -> Path:
    """Checks a weights file completely and writes it as ``.safetensors`` into the user's model folder.

    A file that ``export_onnx`` wrote is checked, run once, and copied as ``.onnx``. Of another ONNX file, such a file is
    made, with the maps that are named.

    Args:
        path: A checkpoint of the authors, or any weights file or exported file that ``load_model`` takes.
        name: Name for ``load_model``; by default that of the architecture. An imported model of the same name is
            replaced.
        folder: The folder to write to; the user's model folder by default.
        card: What is known about the weights; by default the card in the file.
        labels: One label for each class, or the path of a file with them; by default those in the file.
        preprocess: The network's input, some of its fields, or the path of a JSON file with them; by default what
            the file states.
        weights_key: Which weights to take of a file that holds several; see ``read_weights``.
        network: The network of other libraries whose weights they are: ``timm:resnet50``, with options as
            ``named_network`` takes them, or a ``Description``. SGE is inserted if the weights have none.
        groups: With ``network``, as for ``insert_sge``.
        where: With ``network``, as for ``insert_sge``.
        maps: Of an ONNX file that somebody else made: block name to the name of the output, or of a tensor in it, that is
            the block's mask; see ``chosen_maps``. By default the outputs that are named ``mask/BLOCK``.

    Returns:
        The file written. It is written atomically.

    Raises:
        CheckpointError: The file, the labels or the preprocessing cannot be used, or the model cannot be written;
            nothing is written then.
        ChoiceError: ``name`` is no file name, or belongs to a shipped model; or labels, preprocessing, a card or
            ``weights_key`` are given with an exported file, which has its own; or ``network`` cannot be built.
        UnsupportedNetworkError, GroupsError: SGE cannot be inserted into the network; see ``insert_sge``.
    """
    if name is not None:
        check_name(name)
    target = folder or model_dir()
    described = _described(network, groups, where)
    if begins_onnx(Path(path)):
        if described is not None or weights_key is not None:
            raise ChoiceError(
                f"{path} is an ONNX file, which holds its network. Leave network and weights_key out."
            )
        if not is_stated(Path(path)):
            return _import_foreign(Path(path), name, target, Given(labels, preprocess, card), maps)
        if any(choice is not None for choice in (card, labels, preprocess, maps)):
            raise ChoiceError(
                f"{path} is an exported file with labels, preprocessing, maps and a card of its own. Give them when it is "
                "exported, and leave them out here."
            )
        return _import_exported(Path(path), name, target)
    if maps is not None:
        raise ChoiceError(f"{path} is no ONNX file, and maps name outputs of one. Leave maps out.")
    given = Given(labels, preprocess, card)
    if described is not None:
        named = NamedNetwork(described, Path(path))
        return _written(load_network(named, name or described.name, given, weights_key), target)
    arch = name if name is not None and is_architecture(name) else None
    return _written(load_weights(path, name, given, arch=arch, weights_key=weights_key), target)


def _described(
    network: str | Description | None, groups: int | None, where: str | Sequence[str] | None
) -> Description | None:
    if network is None:
        if groups is not None or where is not None:
            raise ChoiceError(
                "groups and where say how SGE is inserted into a network of a library. Name it: --network timm:resnet50, in "
                "Python network='timm:resnet50'."
            )
        return None
    if isinstance(network, Description):
        return with_choices(network, groups, where)
    named = named_network(network) if isinstance(network, str) else None
    if named is None or named.file is not None:
        raise ChoiceError(
            f"{shown(str(network))} names no network alone. Write LIBRARY:NAME, such as timm:resnet50."
        )
    return with_choices(named.description, groups, where)


def _import_foreign(path: Path, name: str | None, folder: Path, given: Given, maps: GivenMaps | None) -> Path:
    """Makes an exported file of an ONNX file that somebody else made, and imports that."""
    from sge.models.foreign_onnx import adopted  # It imports onnx.

    content = adopted(path, name, given, maps)
    with tempfile.TemporaryDirectory(prefix="sge-") as made:
        file = Path(made) / path.name
        file.write_bytes(content)
        return _import_exported(file, name, folder)


def _import_exported(path: Path, name: str | None, folder: Path) -> Path:
    from sge.models.onnx_trial import run_once

    model = read_exported(path, name)
    check_name(model.name)
    weights = folder / f"{model.name}{WEIGHTS_SUFFIX}"
    if weights.exists():
        raise ChoiceError(
            f"{model.name} is the name of imported weights. Choose another, --name, or delete {weights}."
        )
    run_once(model)
    target = folder / f"{model.name}{EXPORTED_SUFFIX}"
    try:
        write_atomically(target, path.read_bytes())
    except OSError as error:
        raise CheckpointError(
            f"{target} cannot be written ({error.strerror}). Free some space, or name another folder in SGE_MODEL_DIR."
        ) from error
    return target


def _written(model: Model, folder: Path) -> Path:
    check_name(model.name)
    metadata: dict[str, Any] = {
        "sge.arch": model.arch,
        "sge.labels": model.labels,
        "sge.preprocess": model.preprocess.to_record(),
        "sge.card": model.card.to_record(),
    }
    if model.description is not None:
        metadata["sge.description"] = model.description.to_record()
    target = folder / f"{model.name}{WEIGHTS_SUFFIX}"
    from sge.models.checkpoint import write_weights

    write_weights(target, model.network.state_dict(), metadata)
    return target


def imported_notes(path: Path) -> list[str]:
    """Returns the notes on the card of a model that was just imported.

    Args:
        path: What ``import_weights`` returned.

    Raises:
        CheckpointError: The file cannot be read.
    """
    if path.name.endswith(EXPORTED_SUFFIX):
        return list(read_exported(path).card.notes)
    from sge.models.checkpoint import read_weights

    card = read_weights(path).metadata.get("sge.card")
    return list(read_card(card).notes) if card else []
