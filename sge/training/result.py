"""The result of a training: its best weights with labels, preprocessing and card in one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from sge.datasets import class_indices
from sge.errors import ChoiceError, OutputError
from sge.models import Card, imagenet_labels, is_own_file, write_weights
from sge.nn import sge_blocks
from sge.text import in_words, shortened
from sge.training.initial_model import InitialModel
from sge.training.request import TrainingRequest
from sge.training.run_log import CSV, is_log
from sge.training.supervision import LabelledSupervision
from sge.training.trainer import Trainer

BEST = "best.safetensors"
NAME = 200
"""Most letters of a name in a card's sentence."""


def check_target(request: TrainingRequest) -> None:
    """Checks before a training that it replaces no file of someone else in its folder.

    Raises:
        OutputError: a file has the name of one that the training writes, and no training wrote it.
    """
    if request.overwrite:
        return
    checks = {BEST: is_own_file, CSV: is_log}
    for name, is_ours in checks.items():
        path = request.out / name
        if os.path.lexists(path) and not is_ours(path):
            raise OutputError(
                f"{path} exists and was not written by a training. Name another folder (--out), or add --overwrite to "
                "replace it."
            )


def write_result(
    request: TrainingRequest, initial: InitialModel, trainer: Trainer, supervision: LabelledSupervision
) -> Path:
    """Writes ``best.safetensors`` into the folder of the training.

    Args:
        request: What was asked for.
        initial: The network with which the training started.
        trainer: The finished training.
        supervision: Its images and teacher.

    Returns:
        Path of the file.
    """
    target = request.out / BEST
    metadata: dict[str, Any] = {
        "sge.arch": initial.arch,
        "sge.labels": _labels(supervision.train.classes),
        "sge.preprocess": initial.preprocess.to_record(),
        "sge.card": _card(request, initial, trainer, supervision),
    }
    if initial.description is not None:
        metadata["sge.description"] = initial.description.to_record()
    write_weights(target, trainer.best_state, metadata)
    return target


def _labels(classes: list[str]) -> list[str]:
    """English labels where the folders are named by WordNet ids of ImageNet's classes, else the folders' names."""
    try:
        indices = class_indices(classes, imagenet_labels())
    except ChoiceError:
        return classes
    if any(name.isdecimal() for name in classes):
        return classes
    return [imagenet_labels()[index] for index in indices.values()]


def _card(
    request: TrainingRequest, initial: InitialModel, trainer: Trainer, supervision: LabelledSupervision
) -> dict[str, Any]:
    size = initial.preprocess
    config, data, dev = request.config, supervision.train, supervision.dev
    origin = "from scratch" if request.start is None else f"from {shortened(Path(request.start).name, NAME)}"
    teacher = f" with {shortened(Path(request.teacher).name, NAME)} as teacher" if request.teacher else ""
    train_names, dev_names = (
        in_words([path.name for path in paths]) for paths in (request.train, request.dev)
    )
    made_from: dict[str, Any] = {"config": config.to_dict(), "torch": torch.__version__}
    if initial.origin:
        made_from["start"] = initial.origin
    if supervision.teacher is not None:
        made_from["teacher"] = supervision.teacher.digest
    card = Card(
        title=initial.arch,
        sentence=(
            f"Trained {origin}{teacher} on {len(data.targets)} images of {len(data.classes)} classes "
            f"({train_names}), {config.epochs} epochs."
        ),
        gates="trained" if sge_blocks(trainer.student.network) else "none",
        data=f"{len(data.targets)} images ({train_names}), best epoch chosen on {len(dev.targets)} ({dev_names})",
        accuracy=[
            {
                "top1": round(trainer.best, 4),
                "set": f"{len(dev.targets)} dev images ({dev_names}), on which the best epoch was chosen",
                "protocol": f"shorter side {size.resize}, center crop {size.size}, one view",
                "command": "sge train",
            }
        ],
        made_from=made_from,
    )
    return card.to_record()
