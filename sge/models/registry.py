"""Models by name: what is shipped, what the user has imported, and files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from sge.errors import CheckpointError, ChoiceError, GroupsError, UnknownModelError
from sge.images.framing import Preprocess
from sge.models.architectures import Signature, recognize
from sge.models.catalogue import check_name, imported_files, model_names, shipped_cards, shipped_files
from sge.models.checkpoint import Weights, fit, read_weights, write_weights
from sge.models.delta import SUFFIX
from sge.models.efficientnet_lite import LITE0_PREPROCESS, sge_efficientnet_lite0
from sge.models.finders import attach_finder
from sge.models.labels import imagenet_labels
from sge.models.model import Card, Model
from sge.models.pretrained import PretrainedModel, find_pretrained, user_deltas
from sge.nn.resnet import NEIGHBOURS, SGE_RESNETS
from sge.paths import model_dir

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    **SGE_RESNETS,
    **NEIGHBOURS,
    "sge_efficientnet_lite0": sge_efficientnet_lite0,
}
DEFAULT_MODEL = "sge_efficientnet_lite0"
TUNED_MODEL = "sge_efficientnet_lite0_tuned"
DOGS_MODEL = "sge_resnet18_dogs"


@dataclass(frozen=True)
class Verified:
    """A model whose file is what it was when its hash was taken."""

    name: str
    file: str
    sha256: str
    """Of the file, as ``sha256sum`` says it."""
    against: str
    """What the content was compared with."""


def load_model(
    name: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None, *, finder: bool = True
) -> Model:
    """A model by name, or from a file.

    Args:
        name: A shipped, imported or awakened model's name; an architecture's name together with ``weights``;
            or the path of a ``.safetensors`` of ours or of an authors' ``.pth.tar``.
        weights: A weights file for the architecture ``name``.
        finder: With the part finder ``NAME.parts.json`` that lies beside a named model's weights, if one does.

    Returns:
        The model on the CPU, in eval mode. Random weights are never returned.

    Raises:
        UnknownModelError: no such name; the message lists the names.
        CheckpointError: the file cannot be used.
        FinderError: the part finder is damaged, or belongs to another order of channels.
    """
    model = _load(name, weights)
    if finder and weights is None and str(name) in model_names():
        attach_finder(model)
    return model


def _load(name: str | os.PathLike[str], weights: str | os.PathLike[str] | None) -> Model:
    if weights is not None:
        return _from_weights(read_weights(weights), str(name), expected=str(name))
    text = str(name)
    if text in imported_files():
        return _from_weights(read_weights(imported_files()[text]), text)
    if text in shipped_files():
        return _shipped(text)
    if text in shipped_cards() or text in user_deltas():
        return _based(based(text))
    path = Path(name)
    if path.name.endswith(SUFFIX):
        return _based(find_pretrained(path.name.removesuffix(SUFFIX), path))
    if os.path.isfile(path) or path.suffix in (".safetensors", ".tar", ".pth", ".pt"):
        return _from_weights(read_weights(path), path.name.split(".")[0])
    raise _unknown(text)


def _unknown(name: str) -> UnknownModelError:
    hint = ""
    if name in ARCHITECTURES:
        hint = (
            f" {name} is an architecture: give its weights file too, or fetch or import them "
            "(sge models download, sge models import)."
        )
    return UnknownModelError(f"No model {name!r}; there are: {', '.join(model_names())}.{hint}")


def based(name: str) -> PretrainedModel:
    """The files of a shipped or awakened model that stands on published weights.

    Raises:
        UnknownModelError: no such name; the message lists the names.
        ChoiceError: a model whose weights are all its own.
        CheckpointError: a file is missing, damaged or does not belong to the others.
    """
    if name in {**shipped_files(), **imported_files()}:
        raise ChoiceError(
            f"{name} has a weights file of its own; only models that stand on published weights ({DEFAULT_MODEL}) "
            "can be awakened by name. In Python, sge.awaken takes any network with SGE."
        )
    if name in shipped_cards():
        return find_pretrained(name)
    if name in (own := user_deltas()):
        return find_pretrained(name, own[name])
    raise _unknown(name)


def _based(model: PretrainedModel) -> Model:
    try:
        card = Card(**model.facts, sha256=model.sha256)
    except TypeError as error:
        raise CheckpointError(
            f"{model.file.name} was written by another version of SGE Lens ({error}). Awaken it again."
        ) from error
    return Model(
        model.name,
        model.network(),
        imagenet_labels(),
        card,
        LITE0_PREPROCESS,
        DEFAULT_MODEL,
        model.permutations,
    )


def _shipped(name: str) -> Model:
    """From the file that came with SGE Lens; its card lies beside it and has the file's hash."""
    path, facts = shipped_files()[name], shipped_cards()[name]
    if not path.is_file():
        raise CheckpointError(f"{path.name} is not there. Install SGE Lens again.")
    weights = read_weights(path)
    if weights.sha256 != facts["sha256"]:
        raise CheckpointError(
            f"{path.name} is not the file that came with SGE Lens (sha256 {weights.sha256[:12]} instead of "
            f"{facts['sha256'][:12]}). Install SGE Lens again."
        )
    return replace(_from_weights(weights, name), card=Card(**facts))


def _from_weights(weights: Weights, name: str, expected: str | None = None) -> Model:
    if expected is not None and expected not in ARCHITECTURES:
        raise UnknownModelError(f"No architecture {expected!r}; there are: {', '.join(ARCHITECTURES)}.")
    # A network without attention is ours only where the file says so: it was trained here.
    layout = recognize(weights.state, plain="sge.arch" in weights.metadata)
    if expected is not None and layout.arch != expected:
        raise CheckpointError(
            f"{weights.path.name} holds {layout.arch}, not {expected}. Choose its file, or load it as {layout.arch}."
        )
    try:
        if layout.arch not in ARCHITECTURES:
            raise CheckpointError(f"{weights.path.name} holds {layout.arch}, without attention to look at.")
        network = ARCHITECTURES[layout.arch](num_classes=layout.num_classes, groups=layout.groups)
    except GroupsError as error:
        raise CheckpointError(f"{weights.path.name} cannot be {layout.arch}: {error}") from error
    fit(network, weights.state, layout.arch)
    labels, preprocess, card = _described(weights, layout)
    if card is None:
        card = _card_of_a_file(weights, layout.arch, labels)
    return Model(name, network.eval(), labels, replace(card, sha256=weights.sha256), preprocess, layout.arch)


def _described(weights: Weights, layout: Signature) -> tuple[list[str], Preprocess, Card | None]:
    """Labels, preprocessing and card: what the file says of itself, else what its architecture lets expect."""
    facts = weights.metadata
    labels = facts.get("sge.parts.labels") or _labels(layout.num_classes)
    standard = LITE0_PREPROCESS if layout.arch == "sge_efficientnet_lite0" else Preprocess()
    if (stated_arch := facts.get("sge.arch", layout.arch)) != layout.arch:
        raise CheckpointError(
            f"{weights.path.name} says that it is {stated_arch}, but holds {layout.arch}. Save it again."
        )
    if not isinstance(labels, list) or len(labels) != layout.num_classes:
        raise CheckpointError(
            f"{weights.path.name} does not list a label for each of its {layout.num_classes} classes. "
            "Save it with as many labels as classes."
        )
    try:
        stated: dict[str, Any] = dict(facts.get("sge.preprocess", {}))
        stated |= {key: tuple(value) for key, value in stated.items() if isinstance(value, list)}
        card = Card(**facts["sge.card"]) if "sge.card" in facts else None
        return labels, Preprocess(**stated) if stated else standard, card
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{weights.path.name} was written by another version of SGE Lens ({error}). "
            "Import the checkpoint that it was made from again."
        ) from error


def _labels(num_classes: int) -> list[str]:
    return imagenet_labels() if num_classes == 1000 else [f"class {i}" for i in range(num_classes)]


def _card_of_a_file(weights: Weights, arch: str, labels: list[str]) -> Card:
    gates = [t for key, t in weights.state.items() if key.endswith((".sge.weight", ".se.weight"))]
    knows = "ImageNet's thousand classes" if labels == imagenet_labels() else f"{len(labels)} classes"
    return Card(
        title=_title(arch),
        sentence=f"Your own weights for {arch}; it knows {knows}. Nothing was measured here.",
        gates=("trained" if any(weight.any() for weight in gates) else "inactive") if gates else "none",
        source=f"{weights.path.name}, sha256 {weights.sha256}",
    )


def _title(arch: str) -> str:
    if arch == "sge_efficientnet_lite0":
        return "EfficientNet-Lite0 with SGE"
    attention, _, family = arch.rpartition("resne")
    kind, _, size = family.partition("_")
    number = kind.lstrip("xt")
    prefix = attention.upper().replace("_", "-")
    return f"{prefix}ResNe{'Xt' if kind.startswith('xt') else 't'}-{number}{' ' + size if size else ''}"


def import_weights(
    path: str | os.PathLike[str],
    name: str | None = None,
    folder: Path | None = None,
    card: Card | None = None,
) -> Path:
    """Checks a checkpoint whole and writes it as ``.safetensors`` among the user's models.

    Args:
        path: An authors' ``.pth.tar``, or any file that ``load_model`` takes.
        name: Name for ``load_model``; by default the architecture's. A model of that name that was imported
            before is replaced.
        folder: Where to; the user's model folder by default.
        card: What is known about the weights; by default what the file says of itself.

    Returns:
        The file written; it appears whole or not at all.

    Raises:
        CheckpointError: the file cannot be used, or cannot be written; nothing is written.
        ChoiceError: a name that is no file name, or that belongs to another model.
    """
    if name is not None:
        check_name(name)
    model = _from_weights(read_weights(path), name or "", expected=name if name in ARCHITECTURES else None)
    name = name or model.arch
    check_name(name)
    metadata = {
        "sge.arch": model.arch,
        "sge.parts.labels": model.labels,
        "sge.preprocess": asdict(model.preprocess),
        "sge.card": replace(card or model.card, sha256=None).to_dict(),
    }
    target = (folder or model_dir()) / f"{name}.safetensors"
    write_weights(target, model.network.state_dict(), metadata)
    return target


def verify_model(name: str) -> Verified:
    """Compares a model's file with the hash that was taken when it was made.

    Of a shipped model that is the base's sha256 on its card, or its own file's; imported files and deltas carry
    the digest of their content.

    Raises:
        UnknownModelError: no such name; the message lists the names.
        CheckpointError: the file is not what it was, or carries nothing to compare it with.
    """
    if name in (files := imported_files()):
        weights = read_weights(files[name])
        if weights.digest is None:
            raise CheckpointError(
                f"{files[name].name} carries no checksum: sge models import did not write it. Import it again."
            )
        _from_weights(weights, name)
        return Verified(
            name, str(files[name]), weights.sha256, "the checksum written into the file on import"
        )
    if name in shipped_files():
        model, file = _shipped(name), str(shipped_files()[name])
        return Verified(
            name, file, str(model.card.sha256), "the sha256 on the model's card and the checksum in the file"
        )
    found = based(name)
    _based(found)
    against = "the sha256 on the model's card" + (" and the checksum in its delta" if found.delta else "")
    return Verified(name, str(found.file), found.sha256, against)
