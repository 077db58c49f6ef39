"""A whole training: from paths and a recipe to a weights file that every part of SGE Lens takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sge.datasets.decoded_cache import Progress
from sge.datasets.imagenet import class_indices
from sge.errors import ChoiceError, DataError
from sge.images.framing import Preprocess
from sge.models.checkpoint import digest, write_weights
from sge.models.labels import imagenet_labels
from sge.models.model import Card, Model
from sge.nn.blocks import sge_blocks
from sge.training.config import TrainConfig
from sge.training.dataset import TrainingSet, open_set
from sge.training.distributed import DistributedContext
from sge.training.events import EpochReport, StepReport
from sge.training.gates import block_strides, compile_statistics
from sge.training.initial_model import Start, from_nothing, from_weights
from sge.training.loader import TargetGrid
from sge.training.run_log import Record, require_tensorboard
from sge.training.supervision import Supervision
from sge.training.teacher_maps import TeacherMaps, maps_key, write_maps
from sge.training.teachers import CropTeacher, any_teacher
from sge.training.trainer import Trainer

BEST = "best.safetensors"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What the user asked for."""

    train: tuple[Path, ...]
    """ImageFolder trees or tar shards."""
    dev: tuple[Path, ...]
    out: Path
    config: TrainConfig
    start: str | None = None
    """A model's name or a weights file to fine-tune; None begins from nothing."""
    teacher: str | None = None
    cache: Path | None = None
    """Where decoded images and a teacher's maps are kept; in ``out`` by default."""
    save_every: int = 200
    workers: int = 0
    ahead: bool | None = None
    """Decode all images before learning; None decides by their number."""


@dataclass(frozen=True)
class Callbacks:
    """Who is told what, while it runs."""

    step: Callable[[StepReport], None]
    epoch: Callable[[EpochReport], None]
    say: Say
    images: Progress
    """How many images have been decoded, or looked at by the teacher."""


def train(order: Order, team: DistributedContext, listeners: Callbacks) -> Path | None:
    """Trains, or goes on with what was interrupted in ``order.out``.

    Returns:
        The file with the best weights on the dev images; None in processes that are not the first.

    Raises:
        SGEError: images, weights, teacher or recipe cannot be used; each with a sentence.
    """
    require_tensorboard()  # before an hour of decoding, not after it
    config = order.config
    order.out.mkdir(parents=True, exist_ok=True)
    cache = order.cache or order.out / "cache"
    train_set = team.in_turn(lambda: _opened("train", order, cache, listeners))
    classes = train_set.classes
    start = (
        from_weights(order.start, config, len(classes)) if order.start else from_nothing(config, len(classes))
    )
    dev_set = team.in_turn(lambda: _opened("dev", order, cache, listeners, classes, start.preprocess))
    data = train_set, dev_set
    if config.compile:
        compile_statistics()
    lesson = _lesson(order, start.network, data, cache, team, listeners)
    trainer = Trainer(
        start, lesson, config, order.out, team, save_every=order.save_every, workers=order.workers
    )
    if not team.first:
        trainer.run()
        return None
    with Record(order.out) as record:

        def on_step(report: StepReport) -> None:
            record.step(report)
            listeners.step(report)

        def on_epoch(report: EpochReport) -> None:
            record.epoch(report)
            listeners.epoch(report)

        trainer.run(on_step, on_epoch)
    return _written(order, start, trainer, lesson)


def _opened(
    name: str,
    order: Order,
    cache: Path,
    listeners: Callbacks,
    classes: list[str] | None = None,
    evaluate_as: Preprocess | None = None,
) -> TrainingSet:
    sources = order.dev if name == "dev" else order.train
    store = cache / f"{name}.images"
    opened = open_set(sources, store, classes, listeners.images, order.ahead, evaluate_as)
    if opened.skipped:
        first = "; ".join(opened.skipped[:3])
        listeners.say(f"{len(opened.skipped)} {name} images cannot be read and were left out: {first}")
    return opened


def _lesson(
    order: Order,
    network: nn.Module,
    data: tuple[TrainingSet, TrainingSet],
    cache: Path,
    team: DistributedContext,
    listeners: Callbacks,
) -> Supervision:
    config, (train_set, dev_set) = order.config, data
    if order.teacher is None:
        if config.teacher_weight or config.feature_weight or config.dense:
            raise ChoiceError("The recipe learns from a teacher: name one with --teacher.")
        return Supervision(train_set, dev_set)
    teacher = any_teacher(order.teacher)
    numbers = list(class_indices(train_set.classes, teacher.labels).values())
    about = {"teacher": digest(teacher.network.state_dict(), {})}
    if not config.dense:
        crops = CropTeacher(teacher.network, teacher.preprocess, numbers, team.device)
        return Supervision(train_set, dev_set, teacher=crops, about=about)
    strides = block_strides(network)
    if unknown := [block for block, _ in config.dense if block not in strides]:
        raise ChoiceError(f"No SGE block {', '.join(unknown)}; the student has {', '.join(strides)}.")
    path, sources = cache / "teacher.maps", sorted({source for _, source in config.dense})
    maps = team.in_turn(lambda: _maps(path, teacher, train_set, sources, numbers, listeners))
    grids = {block: TargetGrid(source, strides[block]) for block, source in config.dense}
    return Supervision(train_set, dev_set, maps, grids, about=about)


def _maps(
    path: Path,
    teacher: Model,
    data: TrainingSet,
    sources: Sequence[str],
    numbers: Sequence[int],
    listeners: Callbacks,
) -> TeacherMaps:
    key = maps_key(teacher, data.images, sources, numbers)
    try:
        return TeacherMaps(path, key)
    except DataError:
        write_maps(path, teacher, data.images, sources, numbers, listeners.images)
        return TeacherMaps(path, key)


def _written(order: Order, start: Start, trainer: Trainer, lesson: Supervision) -> Path:
    classes = lesson.train.classes
    network = trainer.student.network
    target = order.out / BEST
    metadata: dict[str, Any] = {
        "sge.arch": start.arch,
        "sge.labels": _labels(classes),
        "sge.preprocess": asdict(trainer.preprocess),
        "sge.card": _card(order, start, lesson, trainer.best, bool(sge_blocks(network))),
    }
    state: dict[str, Tensor] = trainer.best_state
    write_weights(target, state, metadata)
    return target


def _protocol(preprocess: Preprocess) -> str:
    return f"shorter side {preprocess.resize}, centre crop {preprocess.size}, one view"


def _labels(classes: list[str]) -> list[str]:
    """English names where the folders are WordNet ids of ImageNet's classes."""
    try:
        numbers = class_indices(classes, imagenet_labels())
    except ChoiceError:
        return classes
    if any(name.isdecimal() for name in classes):
        return classes
    return [imagenet_labels()[number] for number in numbers.values()]


def _card(order: Order, start: Start, lesson: Supervision, best: float, gated: bool) -> dict[str, Any]:
    config, data = order.config, lesson.train
    began = "from scratch" if order.start is None else f"from {Path(order.start).name}"
    taught = f" with {Path(order.teacher).name} as teacher" if order.teacher else ""
    sets = {
        name: ", ".join(path.name for path in paths)
        for name, paths in (("train", order.train), ("dev", order.dev))
    }
    card = Card(
        title=start.arch,
        sentence=(
            f"Trained {began}{taught} on {len(data.targets)} images of {len(data.classes)} classes "
            f"({sets['train']}), {config.epochs} epochs."
        ),
        gates="trained" if gated else "none",
        data=f"{len(data.targets)} images ({sets['train']}), chosen on {len(lesson.dev.targets)} ({sets['dev']})",
        accuracy=[
            {
                "top1": round(best, 4),
                "set": f"{len(lesson.dev.targets)} dev images ({sets['dev']}), on which the epoch was chosen",
                "protocol": _protocol(start.preprocess),
                "command": "sge train",
            }
        ],
        made_from={"config": config.to_dict(), "torch": torch.__version__}
        | ({"start": start.about} if start.about else {})
        | lesson.about,
    )
    return card.to_record()
