"""A whole training: from paths and settings to a weights file that every command accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from sge.datasets import Progress, class_indices
from sge.errors import ChoiceError, DataError, TrainingError
from sge.files import locked
from sge.images import Preprocess
from sge.models import Model, digest, required_labels
from sge.training.dataset import TrainingSet, open_set
from sge.training.distributed import DistributedContext
from sge.training.events import EpochEvent, StepEvent
from sge.training.gates import block_strides, compile_statistics
from sge.training.initial_model import InitialModel, from_scratch, from_weights
from sge.training.loader import TargetGrid
from sge.training.optim import optimizer_for
from sge.training.request import TrainingRequest, check_teacher
from sge.training.result import check_target, write_result
from sge.training.run_log import RunLog, require_tensorboard
from sge.training.state import StateFiles
from sge.training.student import Student
from sge.training.supervision import LabelledSupervision
from sge.training.teacher_maps import TeacherMaps, maps_key, write_maps
from sge.training.teachers import CropTeacher, MapTeacher, any_teacher
from sge.training.trainer import Trainer


@dataclass(frozen=True)
class Callbacks:
    """Functions that are called while a training runs."""

    step: Callable[[StepEvent], None]
    epoch: Callable[[EpochEvent], None]
    message: Callable[[str], None]
    """Takes a sentence for the user."""
    images: Progress
    """Takes the number of images that have been decoded, or that the teacher has seen."""
    account: Callable[[str, TrainingSet], None] = lambda name, images: None
    """Takes ``train`` or ``dev`` and the images with what was left out of them."""


def train(request: TrainingRequest, distributed: DistributedContext, callbacks: Callbacks) -> Path | None:
    """Trains a network, or continues the interrupted training in ``request.out``.

    Args:
        request: Images, settings and teacher.
        distributed: The processes.
        callbacks: Called on rank 0, except ``images``.

    Returns:
        The file with the weights that were best on the dev images; None on ranks other than 0.

    Raises:
        SGEError: Images, weights, teacher or settings cannot be used.
    """
    # Before the images are decoded, which may take an hour.
    require_tensorboard()
    check_teacher(request)
    with _alone_in(request.out, distributed):
        distributed.rank_zero_first(lambda: check_target(request))
        return _train(request, distributed, callbacks)


@contextmanager
def _alone_in(folder: Path, distributed: DistributedContext) -> Iterator[None]:
    """Refuses a second training in the folder of one that is running."""
    if not distributed.is_main:
        yield
        return
    with locked(folder / ".lock", wait=False) as held:
        if not held:
            raise TrainingError(
                f"Another training is running in {folder}. Wait for its end, or name another folder (--out)."
            )
        yield


def _train(request: TrainingRequest, distributed: DistributedContext, callbacks: Callbacks) -> Path | None:
    train_set = distributed.rank_zero_first(lambda: _open_train(request, callbacks))
    classes = train_set.classes
    initial = (
        from_weights(request.start, request.config, len(classes))
        if request.start
        else from_scratch(request.config, len(classes))
    )
    dev_set = distributed.rank_zero_first(lambda: _open_dev(request, callbacks, classes, initial.preprocess))
    if request.config.compile:
        compile_statistics(initial.network)
    teacher = _teacher(request, initial.network, train_set, distributed, callbacks)
    trainer, supervision = _trainer(request, initial, (train_set, dev_set), teacher, distributed)
    trainer.restore()
    if not distributed.is_main:
        trainer.run()
        return None
    with RunLog(request.out) as log:

        def on_step(event: StepEvent) -> None:
            log.step(event)
            callbacks.step(event)

        def on_epoch(event: EpochEvent) -> None:
            log.epoch(event)
            callbacks.epoch(event)

        trainer.run(on_step, on_epoch)
    return write_result(request, initial, trainer, supervision)


def _trainer(
    request: TrainingRequest,
    initial: InitialModel,
    data: tuple[TrainingSet, TrainingSet],
    teacher: CropTeacher | MapTeacher | None,
    distributed: DistributedContext,
) -> tuple[Trainer, LabelledSupervision]:
    config = request.config
    supervision = LabelledSupervision(
        *data, config, initial.preprocess, distributed, teacher=teacher, workers=request.workers
    )
    features = teacher.features if isinstance(teacher, CropTeacher) and config.feature_weight else 0
    network = initial.network.to(distributed.device).to(memory_format=torch.channels_last)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        student = Student(network, features).to(distributed.device)
    trainer = Trainer(
        student,
        optimizer_for(student, config),
        supervision,
        config.loop,
        distributed,
        StateFiles.in_folder(request.out),
        config.to_dict(),
        save_every=request.save_every,
    )
    return trainer, supervision


def _open_train(request: TrainingRequest, callbacks: Callbacks) -> TrainingSet:
    store = request.cache_folder / "train.images"
    opened = open_set(request.train, store, None, callbacks.images, request.decode_ahead)
    callbacks.account("train", opened)
    return opened


def _open_dev(
    request: TrainingRequest, callbacks: Callbacks, classes: list[str], preprocess: Preprocess
) -> TrainingSet:
    """The dev images, as the crops on which a network with this preprocessing is evaluated."""
    store = request.cache_folder / "dev.images"
    opened = open_set(request.dev, store, classes, callbacks.images, request.decode_ahead, preprocess)
    callbacks.account("dev", opened)
    return opened


def _teacher(
    request: TrainingRequest,
    network: nn.Module,
    train_set: TrainingSet,
    distributed: DistributedContext,
    callbacks: Callbacks,
) -> CropTeacher | MapTeacher | None:
    config = request.config
    if request.teacher is None:
        return None
    model = any_teacher(request.teacher)
    classes = list(class_indices(train_set.classes, required_labels(model)).values())
    if not config.similarity_blocks:
        return CropTeacher(model.network, model.preprocess, classes, distributed.device)
    strides = block_strides(network)
    if unknown := [block for block, _ in config.similarity_blocks if block not in strides]:
        raise ChoiceError(
            f"There is no SGE block {', '.join(unknown)}; the student has {', '.join(strides)}."
        )
    sources = sorted({source for _, source in config.similarity_blocks})
    path = request.cache_folder / "teacher.maps"
    maps = distributed.rank_zero_first(
        lambda: _maps(path, model, train_set, sources, classes, callbacks.images)
    )
    grids = {block: TargetGrid(source, strides[block]) for block, source in config.similarity_blocks}
    return MapTeacher(maps, grids, digest(model.network.state_dict(), {}))


def _maps(
    path: Path,
    teacher: Model,
    data: TrainingSet,
    blocks: Sequence[str],
    classes: Sequence[int],
    progress: Progress,
) -> TeacherMaps:
    key = maps_key(teacher, data.images, blocks, classes)
    # Trainings that share a cache wait for each other.
    with locked(path.with_name(f"{path.name}.lock")):
        try:
            return TeacherMaps(path, key)
        except DataError:  # not there, or of other images or another teacher
            write_maps(path, teacher, data.images, blocks, classes, progress)
            return TeacherMaps(path, key)
