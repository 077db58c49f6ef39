"""The network with which a training starts: random weights, or a model to be fine-tuned."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from sge.errors import CheckpointError, ChoiceError, UnknownModelError
from sge.images import Preprocess
from sge.models import Description, State, digest, load_torch_model, model_names, read_weights
from sge.nn import build_resnet, insert_sge, sge_blocks
from sge.training.config import TrainConfig
from sge.training.gates import set_gate_weights
from sge.training.student import classifier, classifier_path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InitialModel:
    """The network with which a training starts, and what is known of it."""

    network: nn.Module
    arch: str
    """Its name among the registry's architectures."""
    preprocess: Preprocess
    """Normalization and sizes of its input."""
    origin: dict[str, Any] = field(default_factory=dict)
    """For the card: the weights' ``name``, ``digest`` and ``made_from``; empty for random weights."""
    description: Description | None = None
    """Of a network that timm or torchvision builds; with the number of classes to learn."""


def from_scratch(config: TrainConfig, classes: int) -> InitialModel:
    """Builds a ResNet with the attention of the config; the seed decides its random weights.

    Args:
        config: ``depth``, ``attention``, ``groups``, ``zero_init``, ``gate_weight``, ``eval_size`` and ``seed`` are used.
        classes: Number of classes to learn.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network: nn.Module = build_resnet(
            config.depth, config.attention, num_classes=classes, groups=config.groups
        )
    for module in network.modules():
        if config.zero_init and isinstance(module, BasicBlock | Bottleneck):
            nn.init.zeros_((module.bn3 if isinstance(module, Bottleneck) else module.bn2).weight)
    set_gate_weights(network, config.gate_weight)
    prefix = "" if config.attention == "none" else f"{config.attention}_"
    return InitialModel(network, f"{prefix}resnet{config.depth}", _resized(Preprocess(), config))


def from_weights(name: str, config: TrainConfig, classes: int) -> InitialModel:
    """Loads a network to be fine-tuned.

    SGE is inserted into a plain ResNet, inactive gates get the config's initial weight, and the classifier is
    replaced when the number of classes differs.

    Args:
        name: A model of the registry, a file of ours, or a torchvision checkpoint of a ResNet of the config's depth.
        config: ``attention``, ``depth``, ``groups``, ``gate_weight``, ``eval_size`` and ``seed`` are used; a model or
            file of ours keeps its own architecture.
        classes: Number of classes to learn.

    Raises:
        SGEError: There is no such model or file, or its weights do not fit.
    """
    loaded = _ours(name) or _plain_resnet(Path(name), config)
    network, arch = loaded.network, loaded.arch
    origin = {"name": Path(name).name, "digest": digest(network.state_dict(), {})} | loaded.origin
    is_plain = re.fullmatch(r"resnet\d+", arch) is not None
    if is_plain and config.attention not in ("none", "sge"):
        raise ChoiceError(
            f"{config.attention} cannot be inserted into a trained network. Choose --attention sge or none, or leave "
            "out --from."
        )
    if config.attention == "sge" and is_plain:
        insert_sge(network, config.groups)
        arch = f"sge_{arch}"
    description = loaded.description
    if _new_head(network, classes, config.seed) and description is not None:
        description = replace(description, kwargs=description.kwargs | {"num_classes": classes})
    if all(not bool(module.weight.any()) for module in sge_blocks(network).values()):
        set_gate_weights(network, config.gate_weight)
    return InitialModel(network.train(), arch, _resized(loaded.preprocess, config), origin, description)


def _resized(preprocess: Preprocess, config: TrainConfig) -> Preprocess:
    """The network's normalization, with the size of the config's evaluation and the usual margin around the crop."""
    size = config.eval_size
    return replace(preprocess, resize=round(size * 256 / 224), size=size, whole=None, whole_temperature=1.0)


def _ours(name: str) -> InitialModel | None:
    """A model of ours, by name or file; None for a file of another kind."""
    if name not in model_names() and not os.path.isfile(name):
        raise UnknownModelError(
            f"{name} is neither a model's name nor a weights file. The names are: {', '.join(model_names())}."
        )
    try:
        model = load_torch_model(name, finder=False)
    except CheckpointError as error:
        log.info("%s is not a file of ours (%s); trying a plain ResNet.", name, error)
        return None
    made_from = model.card.made_from
    origin = {"made_from": made_from} if made_from else {}
    return InitialModel(model.network, model.arch, model.preprocess, origin, model.description)


def _plain_resnet(path: Path, config: TrainConfig) -> InitialModel:
    state: State = read_weights(path).state
    if "fc.weight" not in state:
        raise CheckpointError(
            f"{path.name} is not a ResNet: fc.weight is missing. Choose a model of ours or a ResNet of torchvision."
        )
    network: nn.Module = build_resnet(config.depth, "none", num_classes=len(state["fc.weight"]))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path.name} does not fit a ResNet-{config.depth}. Give its depth with --depth."
        ) from error
    return InitialModel(network, f"resnet{config.depth}", Preprocess())


def _new_head(network: nn.Module, classes: int, seed: int) -> bool:
    """Replaces the classifier where the number of classes differs; whether it does."""
    old = classifier(network)
    if old.out_features == classes:
        return False
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(old.in_features, classes)
    parent, _, leaf = classifier_path(network).rpartition(".")
    setattr(network.get_submodule(parent), leaf, head)
    return True
