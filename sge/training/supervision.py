"""What a network is trained on: batches of images with their targets."""

from __future__ import annotations

import hashlib
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sge.datasets import normalize_batch
from sge.devices import autocast
from sge.errors import TrainingError
from sge.images import Preprocess
from sge.text import printable
from sge.training.augment import mixed
from sge.training.config import TrainConfig
from sge.training.dataset import TrainingSet
from sge.training.distributed import DistributedContext
from sge.training.group_matching import GroupMatching
from sge.training.loader import Crops, Sample, batches, derived_seed
from sge.training.losses import Targets
from sge.training.student import StudentOutput
from sge.training.teachers import CropTeacher, MapTeacher
from sge.training.validate import accuracy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """A micro-batch on the student's device."""

    images: Tensor
    """(N, 3, s, s), normalized."""
    targets: Targets
    unreadable: int = 0
    """Images that can no longer be read and that another one of their class replaces, each counted once."""


class Supervision(ABC):
    """The training data and the teachers."""

    steps_per_epoch: int
    identity: dict[str, Any]
    """Facts beside the settings and the initial weights that decide the result, as plain data."""

    @abstractmethod
    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """This process's micro-batches of an epoch.

        Args:
            epoch: Index of the epoch, from 0.
            skip: Steps of the epoch that are already done.
        """

    def observe(self, output: StudentOutput, targets: Targets, step: int) -> Mapping[str, Tensor]:
        """Sees each forward pass before its loss.

        Args:
            output: The student's forward pass.
            targets: Its targets.
            step: Steps done before this one.

        Returns:
            By block: for each group the index of the teacher's group it is to follow, or -1; empty if none is.
        """
        return {}

    def validate(self, network: nn.Module) -> float | None:
        """Top-1 accuracy on the dev images as a fraction; None when there are none."""
        return None

    def synchronize(self) -> None:  # noqa: B027, most supervisions have no state
        """Gives all processes the same state; called in all of them before one saves it."""

    def state_dict(self) -> dict[str, Any]:
        """What ``observe`` has gathered, for the saved state of the training."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027, most supervisions have no state
        """Restores what ``state_dict`` returned."""


class LabelledSupervision(Supervision):
    """Labelled images, with a teacher or without.

    Args:
        train: Images that are learned.
        dev: Images on which each epoch is measured.
        config: The settings.
        preprocess: Normalization of the student's input.
        distributed: The processes.
        teacher: A classifier that runs on each crop, or stored maps.
        workers: Number of processes that prepare crops.

    Raises:
        TrainingError: The batch size does not suit the number of images or processes.
    """

    def __init__(
        self,
        train: TrainingSet,
        dev: TrainingSet,
        config: TrainConfig,
        preprocess: Preprocess,
        distributed: DistributedContext,
        *,
        teacher: CropTeacher | MapTeacher | None = None,
        workers: int = 0,
    ) -> None:
        self.train, self.dev, self.config, self.preprocess = train, dev, config, preprocess
        self.distributed, self.teacher, self.workers = distributed, teacher, workers
        self.steps_per_epoch = _steps_per_epoch(config, len(train.targets), distributed.world_size)
        self.identity = {
            "number of images": len(train.targets),
            "classes": train.classes,
            "names of the images": names_digest(train.images.names),
            "dev images": names_digest(dev.images.names),
        }
        if teacher is not None:
            self.identity["teacher"] = teacher.digest
        self.matching = GroupMatching(
            round(config.match_after * self.steps_per_epoch * config.epochs), distributed
        )
        stored = (teacher.maps, teacher.grids) if isinstance(teacher, MapTeacher) else (None, None)
        self._crops = Crops(train, config, *stored)

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """Random crops in the epoch's random order; both depend on the seed and the epoch alone."""
        rank, world_size = self.distributed.rank, self.distributed.world_size
        loader = batches(self._crops, epoch, rank=rank, world=world_size, skip=skip, workers=self.workers)
        first = (epoch * self.steps_per_epoch + skip) * self.config.accumulate
        for number, sample in enumerate(loader, first):
            step, micro = divmod(number, self.config.accumulate)
            # The same seed whether the micro-batches are those of one process or of several.
            seed = derived_seed(self.config.seed, step, rank + micro * world_size)
            batch = self._batch(sample, seed)
            torch.manual_seed(seed)  # of what dropout and drop path leave out
            yield batch

    def _batch(self, sample: Sample, seed: int) -> Batch:
        unreadable = self._unreadable(sample)
        device = self.distributed.device
        images = normalize_batch(sample.image.to(device), self.preprocess)
        images, labels = mixed(images, sample.target.to(device), len(self.train.classes), self.config, seed)
        return Batch(images, self._targets(sample, labels, images), unreadable)

    def _unreadable(self, sample: Sample) -> int:
        """Names images that can no longer be read; their number.

        Raises:
            TrainingError: no image of a class can be read any more.
        """
        new = set(sample.broken[sample.broken >= 0].tolist()) - self.train.lost
        for number in sorted(new):
            name = printable(self.train.images.names[number])
            log.warning("%s can no longer be read; another image of its class replaces it.", name)
        self.train.lost.update(new)
        if sample.lost.any():
            number = int(sample.broken[sample.lost][0])
            raise TrainingError(
                f"No image of {self.train.classes[self.train.targets[number]]} can be read any more, such as "
                f"{printable(self.train.images.names[number])}. Check the disk and the folder; the same command then "
                "resumes the training."
            )
        return len(new)

    def _targets(self, sample: Sample, labels: Tensor, images: Tensor) -> Targets:
        device = self.distributed.device
        if isinstance(self.teacher, CropTeacher):
            with autocast(device, self.config.precision):
                logits, features = self.teacher(images, self.preprocess)
            return Targets(labels, logits, features)
        if isinstance(self.teacher, MapTeacher) and sample.logits is not None:
            similarity = {block: maps.to(device) for block, maps in (sample.similarity or {}).items()}
            return Targets(labels, sample.logits.to(device), similarity=similarity or None)
        return Targets(labels)

    def observe(self, output: StudentOutput, targets: Targets, step: int) -> Mapping[str, Tensor]:
        """Matches the student's groups with those of stored maps."""
        if targets.similarity is not None:
            self.matching.observe(output.similarity, targets.similarity, step)
        return self.matching.matches

    def validate(self, network: nn.Module) -> float:
        """Top-1 accuracy on the center crops of the dev images, as a fraction."""
        return accuracy(network, self.dev, self.preprocess, self.distributed.device, self.config.precision)

    def synchronize(self) -> None:
        """Averages what the group matching has gathered."""
        self.matching.synchronize()

    def state_dict(self) -> dict[str, Any]:
        """State of the group matching."""
        return self.matching.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the group matching."""
        self.matching.load_state_dict(state)


def names_digest(names: Sequence[str]) -> str:
    """Hash of the names of images in their order, which decides the batches."""
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()


def _steps_per_epoch(config: TrainConfig, images: int, processes: int) -> int:
    if images < config.batch:
        raise TrainingError(
            f"{images} images are fewer than a batch of {config.batch}. Choose a smaller --batch."
        )
    if config.batch % (config.accumulate * processes):
        raise TrainingError(
            f"A batch of {config.batch} cannot be split between {processes} processes with {config.accumulate} "
            f"micro-batches each. Choose a --batch that is divisible by {config.accumulate * processes}."
        )
    return images // config.batch
