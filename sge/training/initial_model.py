"""The network that a training begins with: from nothing, or from weights that know something already."""

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

from sge.errors import CheckpointError, UnknownModelError
from sge.images.framing import Preprocess
from sge.models.architectures import State
from sge.models.catalogue import model_names
from sge.models.checkpoint import digest, read_weights
from sge.models.registry import load_model
from sge.nn import insert_sge
from sge.nn.blocks import sge_blocks
from sge.nn.resnet import resnet
from sge.training.config import TrainConfig
from sge.training.student import classifier

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """What a training begins with."""

    network: nn.Module
    arch: str
    """Its name among the registry's architectures."""
    preprocess: Preprocess
    """Normalisation and sizes of its input."""
    about: dict[str, Any] = field(default_factory=dict)
    """For the card: the weights' ``name``, their ``digest`` and what they were ``made_from``; empty from scratch."""


def from_nothing(config: TrainConfig, classes: int) -> Start:
    """A ResNet with the recipe's attention; its random numbers are the seed's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network: nn.Module = resnet(config.depth, config.attention, num_classes=classes, groups=config.groups)
    for module in network.modules():
        if config.zero_init and isinstance(module, BasicBlock | Bottleneck):
            nn.init.zeros_((module.bn3 if isinstance(module, Bottleneck) else module.bn2).weight)
    _set_gates(network, config)
    prefix = "" if config.attention == "none" else f"{config.attention}_"
    return Start(network, f"{prefix}resnet{config.depth}", _sized(Preprocess(), config))


def from_weights(name: str, config: TrainConfig, classes: int) -> Start:
    """A network that goes on learning: with SGE put in where it is plain, and a new head where classes differ.

    Args:
        name: A registry model; a file of ours; a ``torchvision`` checkpoint of a ResNet of the recipe's depth.
        config: ``attention``, ``depth``, ``groups`` and ``seed`` are used; of a file of ours, its own are.
        classes: Number of classes to learn.

    Raises:
        SGEError: no such model or file, or weights that do not fit.
    """
    known = _known(name)
    if known is None:
        known = _plain_resnet(Path(name), config)
    network, arch = known.network, known.arch
    about = {"name": Path(name).name, "digest": digest(network.state_dict(), {})} | known.about
    if config.attention == "sge" and re.fullmatch(r"resnet\d+", arch):
        insert_sge(network, config.groups)
        arch = f"sge_{arch}"
    _new_head(network, classes, config.seed)
    if all(not bool(module.weight.any()) for module in sge_blocks(network).values()):
        _set_gates(network, config)
    return Start(network.train(), arch, _sized(known.preprocess, config), about)


def _sized(preprocess: Preprocess, config: TrainConfig) -> Preprocess:
    """The network's normalisation, at the size that the recipe evaluates; the usual margin around the crop."""
    size = config.eval_size
    return replace(preprocess, resize=round(size * 256 / 224), size=size, whole=None, whole_temperature=1.0)


def _known(name: str) -> Start | None:
    """A model of ours, by name or file; None for a file of another kind."""
    if name not in model_names() and not os.path.isfile(name):
        raise UnknownModelError(
            f"{name} is neither a model's name nor a weights file. Names: {', '.join(model_names())}."
        )
    try:
        model = load_model(name, finder=False)
    except CheckpointError as error:
        log.info("%s is no file of ours (%s); a plain ResNet is tried.", name, error)
        return None
    made_from = model.card.made_from
    return Start(model.network, model.arch, model.preprocess, {"made_from": made_from} if made_from else {})


def _plain_resnet(path: Path, config: TrainConfig) -> Start:
    state: State = read_weights(path).state
    if "fc.weight" not in state:
        raise CheckpointError(
            f"{path.name} holds no ResNet: fc.weight is missing. Fine-tuning takes models of ours and "
            "torchvision's ResNets."
        )
    network: nn.Module = resnet(config.depth, "none", num_classes=len(state["fc.weight"]))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path.name} does not fit a ResNet-{config.depth}. Choose its depth with --depth."
        ) from error
    return Start(network, f"resnet{config.depth}", Preprocess())


def _new_head(network: nn.Module, classes: int, seed: int) -> None:
    old = classifier(network)
    if old.out_features == classes:
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(old.in_features, classes)
    name = next(name for name, module in network.named_modules() if module is old)
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, head)


def _set_gates(network: nn.Module, config: TrainConfig) -> None:
    for module in sge_blocks(network).values():
        nn.init.constant_(module.weight, config.gate_weight)
