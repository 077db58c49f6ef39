"""Builds a ``Model`` from a weights file that holds all of a network's weights."""

from __future__ import annotations

from dataclasses import replace

import torch

from sge.errors import CheckpointError, GroupsError, UnknownModelError
from sge.models.architectures import ARCHITECTURES, Architecture, Signature, recognize
from sge.models.card import Card
from sge.models.checkpoint import Weights, check_shapes, load_state
from sge.models.described import ENTRY, model_of_description
from sge.models.file_facts import check_channels, check_opening, precision_notes, source_of, stated_card
from sge.models.given import Given
from sge.models.labels import imagenet_labels
from sge.models.model import Model
from sge.models.stated import labels_of, preprocess_of
from sge.models.wording import shown


def model_from_weights(
    weights: Weights, name: str | None = None, *, arch: str | None = None, given: Given | None = None
) -> Model:
    """Builds the network that a file's keys and shapes describe, and loads its weights.

    Args:
        weights: The content of the file.
        name: The model's name; by default that of its architecture.
        arch: The architecture that the file must hold; by default any.
        given: Labels, preprocessing and card; by default those in the file. What neither states is assumed, and the
            card's notes say so.

    Returns:
        The model, in eval mode.

    Raises:
        UnknownModelError: ``arch`` is no known architecture.
        CheckpointError: The file holds another or no known architecture, or its weights or metadata do not fit it.
    """
    given = given or Given()
    if arch is not None and arch not in ARCHITECTURES:
        raise UnknownModelError(f"No architecture {arch!r}; there are: {', '.join(ARCHITECTURES)}.")
    if ENTRY in weights.metadata:
        return _described(weights, name, arch, given)
    # A ResNet without attention is accepted only if its metadata show that SGE Lens trained it.
    signature = recognize(weights.state, plain="sge.arch" in weights.metadata)
    where = shown(weights.path.name)
    if arch is not None and signature.arch != arch:
        raise CheckpointError(
            f"{where} holds {signature.arch}, not {arch}. Choose its file, or load it as {signature.arch}."
        )
    architecture = ARCHITECTURES[signature.arch]
    if (stated := weights.metadata.get("sge.arch", architecture.name)) != architecture.name:
        raise CheckpointError(
            f"{where} says that it is {shown(str(stated))}, but holds {architecture.name}. Save it again."
        )
    _check_sizes(weights, signature, architecture)
    metadata = weights.metadata
    labels, notes = labels_of(
        signature.num_classes, given.labels, metadata.get("sge.labels"), weights.labels, where
    )
    preprocess, more = preprocess_of(
        given.preprocess, metadata.get("sge.preprocess"), architecture.preprocess, architecture.title, where
    )
    card = given.card or stated_card(weights) or _default_card(weights, architecture, labels)
    network = architecture.build(num_classes=signature.num_classes, groups=signature.groups)
    load_state(network, weights.state, signature.arch)
    check_opening(card, network, where)
    check_channels(preprocess, network, where)
    notes = [*weights.notes, *precision_notes(weights), *notes, *more]
    card = replace(card, sha256=weights.sha256, notes=tuple(dict.fromkeys((*card.notes, *notes))))
    return Model(name or signature.arch, network.eval(), labels, card, preprocess, signature.arch)


def _described(weights: Weights, name: str | None, arch: str | None, given: Given) -> Model:
    model = model_of_description(weights, name, given)
    if arch is not None:
        raise CheckpointError(f"{shown(weights.path.name)} holds {model.arch}, not {arch}. Choose its file.")
    return model


def _check_sizes(weights: Weights, signature: Signature, architecture: Architecture) -> None:
    """Compares the network with the weights before it is built and its classes are named: a shape can claim any size."""
    where, sizes = (
        shown(weights.path.name),
        {"num_classes": signature.num_classes, "groups": signature.groups},
    )
    if min(sizes.values()) < 1:
        raise CheckpointError(
            f"{where} cannot be {signature.arch}: it has no classes or no groups. Choose another file."
        )
    try:
        with torch.device("meta"):
            wanted = architecture.build(**sizes).state_dict()
    except GroupsError as error:
        raise CheckpointError(f"{where} cannot be {signature.arch}: {error}") from error
    counters = {key: value for key, value in wanted.items() if key.endswith("num_batches_tracked")}
    check_shapes(wanted, counters | weights.state, signature.arch)


def _default_card(weights: Weights, architecture: Architecture, labels: list[str]) -> Card:
    gates = [t for key, t in weights.state.items() if key.endswith((".sge.weight", ".se.weight"))]
    classes = "the 1000 ImageNet classes" if labels == imagenet_labels() else f"{len(labels)} classes"
    return Card(
        title=architecture.title,
        sentence=f"Your own weights for {architecture.name}, for {classes}. Nothing was measured here.",
        gates=("trained" if any(weight.any() for weight in gates) else "inactive") if gates else "none",
        source=source_of(weights),
    )
