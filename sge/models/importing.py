"""Imports a weights file into the user's model folder."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from sge.models.architectures import ARCHITECTURES
from sge.models.card import Card
from sge.models.cards import read_card
from sge.models.checkpoint import read_weights, write_weights
from sge.models.given import Given
from sge.models.model_file import model_from_weights
from sge.models.registry import WEIGHTS_SUFFIX, check_name
from sge.models.stated import GivenPreprocess, Labels
from sge.paths import model_dir


def import_weights(
    path: str | os.PathLike[str],
    name: str | None = None,
    folder: Path | None = None,
    card: Card | None = None,
    *,
    labels: Labels | None = None,
    preprocess: GivenPreprocess | None = None,
    weights_key: str | None = None,
) -> Path:
    """Checks a weights file completely and writes it as ``.safetensors`` into the user's model folder.

    Args:
        path: A checkpoint of the authors, or any weights file that ``load_model`` takes.
        name: Name for ``load_model``; by default that of the architecture. An imported model of the same name is
            replaced.
        folder: The folder to write to; the user's model folder by default.
        card: What is known about the weights; by default the card in the file.
        labels: One label for each class, or the path of a file with them; by default those in the file.
        preprocess: The network's input, some of its fields, or the path of a JSON file with them; by default what
            the file states.
        weights_key: Which weights to take of a file that holds several; see ``read_weights``.

    Returns:
        The file written. It is written atomically.

    Raises:
        CheckpointError: The file, the labels or the preprocessing cannot be used, or the model cannot be written;
            nothing is written then.
        ChoiceError: ``name`` is no file name, or belongs to a shipped model.
    """
    if name is not None:
        check_name(name)
    arch = name if name in ARCHITECTURES else None
    given = Given(labels, preprocess, card)
    model = model_from_weights(read_weights(path, weights_key), name, arch=arch, given=given)
    check_name(model.name)
    metadata = {
        "sge.arch": model.arch,
        "sge.labels": model.labels,
        "sge.preprocess": asdict(model.preprocess),
        "sge.card": model.card.to_record(),
    }
    target = (folder or model_dir()) / f"{model.name}{WEIGHTS_SUFFIX}"
    write_weights(target, model.network.state_dict(), metadata)
    return target


def imported_notes(path: Path) -> list[str]:
    """Returns the notes on the card of a model that was just imported.

    Args:
        path: What ``import_weights`` returned.

    Raises:
        CheckpointError: The file cannot be read.
    """
    card = read_weights(path).metadata.get("sge.card")
    return list(read_card(card).notes) if card else []
