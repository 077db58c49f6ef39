"""Builds a ``Model`` from a weights file that holds all of a network's weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sge.errors import CheckpointError, GroupsError, UnknownModelError
from sge.images import Preprocess
from sge.models.architectures import ARCHITECTURES, Architecture, Signature, recognize
from sge.models.cards import read_card
from sge.models.checkpoint import Weights, load_state
from sge.models.labels import imagenet_labels
from sge.models.model import Card, Model

IMAGENET_CLASSES = 1000


def model_from_weights(
    weights: Weights, name: str | None = None, *, arch: str | None = None, card: Card | None = None
) -> Model:
    """Builds the network that a file's keys and shapes describe, and loads its weights.

    Args:
        weights: The content of the file.
        name: The model's name; by default that of its architecture.
        arch: The architecture that the file must hold; by default any.
        card: The model's card; by default the one in the file, else one that says what can be told from it.

    Returns:
        The model, in eval mode.

    Raises:
        UnknownModelError: ``arch`` is no known architecture.
        CheckpointError: The file holds another or no known architecture, or its weights or metadata do not fit it.
    """
    if arch is not None and arch not in ARCHITECTURES:
        raise UnknownModelError(f"No architecture {arch!r}; there are: {', '.join(ARCHITECTURES)}.")
    # A ResNet without attention is accepted only if its metadata show that SGE Lens trained it.
    signature = recognize(weights.state, plain="sge.arch" in weights.metadata)
    if arch is not None and signature.arch != arch:
        raise CheckpointError(
            f"{weights.path.name} holds {signature.arch}, not {arch}. Choose its file, or load it as {signature.arch}."
        )
    architecture = ARCHITECTURES[signature.arch]
    try:
        network = architecture.build(num_classes=signature.num_classes, groups=signature.groups)
    except GroupsError as error:
        raise CheckpointError(f"{weights.path.name} cannot be {signature.arch}: {error}") from error
    load_state(network, weights.state, signature.arch)
    labels = _labels(weights, signature)
    preprocess, stated_card = _preprocess_and_card(weights, architecture)
    card = card or stated_card or _default_card(weights, architecture, labels)
    return Model(
        name or signature.arch,
        network.eval(),
        labels,
        replace(card, sha256=weights.sha256),
        preprocess,
        signature.arch,
    )


def _labels(weights: Weights, signature: Signature) -> list[str]:
    count = signature.num_classes
    labels = weights.metadata.get("sge.labels")
    if not labels:
        return imagenet_labels() if count == IMAGENET_CLASSES else [f"class {i}" for i in range(count)]
    if not isinstance(labels, list) or len(labels) != count:
        raise CheckpointError(
            f"{weights.path.name} does not list a label for each of its {count} classes. "
            "Save it with as many labels as classes."
        )
    return labels


def _preprocess_and_card(weights: Weights, architecture: Architecture) -> tuple[Preprocess, Card | None]:
    metadata = weights.metadata
    if (stated_arch := metadata.get("sge.arch", architecture.name)) != architecture.name:
        raise CheckpointError(
            f"{weights.path.name} says that it is {stated_arch}, but holds {architecture.name}. Save it again."
        )
    try:
        stated: dict[str, Any] = dict(metadata.get("sge.preprocess", {}))
        stated |= {key: tuple(value) for key, value in stated.items() if isinstance(value, list)}
        card = read_card(metadata["sge.card"]) if "sge.card" in metadata else None
        return Preprocess(**stated) if stated else architecture.preprocess, card
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{weights.path.name} was written by another version of SGE Lens ({error}). "
            "Import the checkpoint that it was made from again."
        ) from error


def _default_card(weights: Weights, architecture: Architecture, labels: list[str]) -> Card:
    gates = [t for key, t in weights.state.items() if key.endswith((".sge.weight", ".se.weight"))]
    classes = "the 1000 ImageNet classes" if labels == imagenet_labels() else f"{len(labels)} classes"
    return Card(
        title=architecture.title,
        sentence=f"Your own weights for {architecture.name}, for {classes}. Nothing was measured here.",
        gates=("trained" if any(weight.any() for weight in gates) else "inactive") if gates else "none",
        source=f"{weights.path.name}, sha256 {weights.sha256}",
    )
