"""The network that a training begins with: from nothing, or from weights that know something already."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from sge.checkpoint import read_weights
from sge.errors import CheckpointError, UnknownModelError
from sge.layout import State
from sge.nn import insert_sge
from sge.nn.blocks import sge_blocks
from sge.nn.resnet import resnet
from sge.registry import load_model, model_names
from sge.train.config import TrainConfig
from sge.train.student import classifier

log = logging.getLogger(__name__)


def from_nothing(config: TrainConfig, classes: int) -> nn.Module:
    """A ResNet with the recipe's attention; its random numbers are the seed's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network: nn.Module = resnet(config.depth, config.attention, num_classes=classes, groups=config.groups)
    for module in network.modules():
        if config.zero_init and isinstance(module, BasicBlock | Bottleneck):
            nn.init.zeros_((module.bn3 if isinstance(module, Bottleneck) else module.bn2).weight)
    _set_gates(network, config)
    return network


def from_weights(name: str, config: TrainConfig, classes: int) -> nn.Module:
    """A network that goes on learning: with SGE put in where it has none, and a new head where classes differ.

    Args:
        name: A registry model; a file of ours; a ``torchvision`` checkpoint of a ResNet of the recipe's depth.
        config: ``depth``, ``groups`` and ``seed`` are used.
        classes: Number of classes to learn.

    Raises:
        SGEError: no such model or file, or weights that do not fit.
    """
    network: nn.Module = _known(name) if name in model_names() else _of_file(Path(name), config)
    if config.attention == "sge" and not sge_blocks(network):
        insert_sge(network, config.groups)
    _new_head(network, classes, config.seed)
    if all(not bool(module.weight.any()) for module in sge_blocks(network).values()):
        _set_gates(network, config)
    return network.train()


def _known(name: str) -> nn.Module:
    return load_model(name, finder=False).network


def _of_file(path: Path, config: TrainConfig) -> nn.Module:
    if not os.path.isfile(path):
        raise UnknownModelError(
            f"{path} is neither a model's name nor a weights file. Names: {', '.join(model_names())}."
        )
    try:
        return load_model(path, finder=False).network
    except CheckpointError as error:
        log.info("%s is no file of ours (%s); a plain ResNet is tried.", path, error)
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
    return network


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
