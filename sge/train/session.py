"""A whole training: from paths and a recipe to a weights file that every part of SGE Lens takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sge.checkpoint import digest, write_weights
from sge.errors import ChoiceError
from sge.model import Card, Model
from sge.nn.blocks import sge_blocks
from sge.registry import imagenet_labels
from sge.store import Progress
from sge.train.config import TrainConfig
from sge.train.data import Grids
from sge.train.gates import block_strides, compiled_statistics
from sge.train.lesson import Lesson
from sge.train.logs import Record, require_tensorboard
from sge.train.loop import Trainer
from sge.train.maps import TeacherMaps, maps_key, write_maps
from sge.train.parallel import Team
from sge.train.pictures import TrainingSet, open_set
from sge.train.reports import EpochReport, StepReport
from sge.train.start import Start, from_nothing, from_weights
from sge.train.teachers import CropTeacher, any_teacher
from sge.wordnet import class_indices

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
    """Where decoded pictures and a teacher's maps are kept; in ``out`` by default."""
    save_every: int = 200
    workers: int = 0
    ahead: bool | None = None
    """Decode all pictures before learning; None decides by their number."""


@dataclass(frozen=True)
class Listeners:
    """Who is told what, while it runs."""

    step: Callable[[StepReport], None]
    epoch: Callable[[EpochReport], None]
    say: Say
    pictures: Progress
    """How many pictures have been decoded, or looked at by the teacher."""


def train(order: Order, team: Team, listeners: Listeners) -> Path | None:
    """Trains, or goes on with what was interrupted in ``order.out``.

    Returns:
        The file with the best weights on the dev pictures; None in processes that are not the first.

    Raises:
        SGEError: pictures, weights, teacher or recipe cannot be used; each with a sentence.
    """
    require_tensorboard()  # before an hour of decoding, not after it
    config = order.config
    order.out.mkdir(parents=True, exist_ok=True)
    cache = order.cache or order.out / "cache"
    data = team.in_turn(lambda: _data(order, cache, listeners))
    classes = data[0].classes
    start = (
        from_weights(order.start, config, len(classes)) if order.start else from_nothing(config, len(classes))
    )
    if config.compile:
        compiled_statistics()
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


def _data(order: Order, cache: Path, listeners: Listeners) -> tuple[TrainingSet, TrainingSet]:
    train_set = open_set(order.train, cache / "train.pictures", None, listeners.pictures, order.ahead)
    dev_set = open_set(order.dev, cache / "dev.pictures", train_set.classes, listeners.pictures, order.ahead)
    for name, each in (("train", train_set), ("dev", dev_set)):
        if each.skipped:
            first = "; ".join(each.skipped[:3])
            listeners.say(f"{len(each.skipped)} {name} pictures cannot be read and were left out: {first}")
    return train_set, dev_set


def _lesson(
    order: Order,
    network: nn.Module,
    data: tuple[TrainingSet, TrainingSet],
    cache: Path,
    team: Team,
    listeners: Listeners,
) -> Lesson:
    config, (train_set, dev_set) = order.config, data
    if order.teacher is None:
        if config.teacher_weight or config.feature_price or config.dense:
            raise ChoiceError("The recipe learns from a teacher: name one with --teacher.")
        return Lesson(train_set, dev_set)
    teacher = any_teacher(order.teacher)
    numbers = list(class_indices(train_set.classes, teacher.labels).values())
    about = {"teacher": digest(teacher.network.state_dict(), {})}
    if not config.dense:
        crops = CropTeacher(teacher.network, teacher.preprocess, numbers, team.device)
        return Lesson(train_set, dev_set, teacher=crops, about=about)
    strides = block_strides(network)
    if unknown := [block for block, _ in config.dense if block not in strides]:
        raise ChoiceError(f"No SGE block {', '.join(unknown)}; the student has {', '.join(strides)}.")
    path, sources = cache / "teacher.maps", sorted({source for _, source in config.dense})
    maps = team.in_turn(lambda: _maps(path, teacher, train_set, sources, numbers, listeners))
    grids = {block: Grids(source, strides[block]) for block, source in config.dense}
    return Lesson(train_set, dev_set, maps, grids, about=about)


def _maps(
    path: Path,
    teacher: Model,
    data: TrainingSet,
    sources: Sequence[str],
    numbers: Sequence[int],
    listeners: Listeners,
) -> TeacherMaps:
    key = maps_key(teacher, data.pictures, sources, numbers)
    try:
        return TeacherMaps(path, key)
    except ChoiceError:
        write_maps(path, teacher, data.pictures, sources, numbers, listeners.pictures)
        return TeacherMaps(path, key)


def _written(order: Order, start: Start, trainer: Trainer, lesson: Lesson) -> Path:
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


def _labels(classes: list[str]) -> list[str]:
    """English names where the folders are WordNet ids of ImageNet's classes."""
    try:
        numbers = class_indices(classes, imagenet_labels())
    except ChoiceError:
        return classes
    if any(name.isdecimal() for name in classes):
        return classes
    return [imagenet_labels()[number] for number in numbers.values()]


def _card(order: Order, start: Start, lesson: Lesson, best: float, gated: bool) -> dict[str, Any]:
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
            f"Trained {began}{taught} on {len(data.targets)} pictures of {len(data.classes)} classes "
            f"({sets['train']}), {config.epochs} epochs."
        ),
        gates="trained" if gated else "none",
        data=f"{len(data.targets)} pictures ({sets['train']}), chosen on {len(lesson.dev.targets)} ({sets['dev']})",
        accuracy=[
            {
                "top1": round(best, 4),
                "set": f"{len(lesson.dev.targets)} dev pictures ({sets['dev']}), on which the epoch was chosen",
                "protocol": f"decoded at 256 px, resized, centre crop {config.eval_size}, while training",
                "command": "sge train",
            }
        ],
        made_from={"recipe": config.to_dict(), "torch": torch.__version__}
        | ({"start": start.about} if start.about else {})
        | lesson.about,
    ).to_dict()
    del card["sha256"]
    return card
