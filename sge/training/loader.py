"""The crops of an epoch, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sge.errors import ImageError, TrainingError
from sge.training.augment import Augment
from sge.training.config import TrainConfig
from sge.training.dataset import TrainingSet
from sge.training.teacher_maps import TeacherMaps

Place = tuple[int, int, int]
"""Epoch, number of the image, side of the crop: all that decides a sample, beside the seed."""
TRIES = 100
"""Images in a row that may be broken."""


@dataclass(frozen=True)
class Sample:
    """One crop, or a batch of them when every tensor has one dimension more."""

    image: Tensor
    """(3, s, s), uint8."""
    target: Tensor
    """Class number, int64."""
    answers: Tensor | None = None
    """The teacher's logits, (classes,)."""
    similarity: dict[str, Tensor] | None = None
    """By the student's block: (G, h, w) of the teacher's groups, mean 0 and deviation 1."""
    broken: Tensor = field(default_factory=lambda: torch.tensor(False))
    """Whether it stands for one that could not be read, bool."""


@dataclass(frozen=True)
class TargetGrid:
    """Where a student's block reads its targets: the teacher's block, and its own stride in pixels."""

    source: str
    stride: int


class Crops(Dataset[Sample]):
    """Random crops that depend on seed, epoch and number alone: not on workers, processes or what came before."""

    def __init__(
        self,
        data: TrainingSet,
        config: TrainConfig,
        maps: TeacherMaps | None = None,
        grids: dict[str, TargetGrid] | None = None,
    ) -> None:
        self.data, self.config, self.maps, self.grids = data, config, maps, grids or {}
        self.augment = Augment(config)

    def __len__(self) -> int:
        return len(self.data.targets)

    def __getitem__(self, place: Place) -> Sample:
        epoch, number, size = place
        number, pixels, broken = self._readable(number)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(hash((self.config.seed, epoch, number)) & 0x7FFF_FFFF_FFFF_FFFF)
            image, crop = self.augment(pixels, size)
        target = torch.tensor(self.data.targets[number])
        if self.maps is None:
            return Sample(image, target, broken=torch.tensor(broken))
        seen = self.maps[number]
        similarity = {
            block: standardised(crop.of(seen.similarity[grid.source], -(-size // grid.stride)))
            for block, grid in self.grids.items()
        }
        answers = crop.of(seen.logits, 4).mean((1, 2))
        return Sample(image, target, answers, similarity, torch.tensor(broken))

    def _readable(self, number: int) -> tuple[int, Tensor, bool]:
        """An image that cannot be read gives way to the next one that can, and is counted."""
        for other in range(number, number + TRIES):
            other %= len(self)
            try:
                return other, self.data.images[other], other != number
            except ImageError:
                continue
        raise TrainingError(
            f"{TRIES} images in a row cannot be read, from {self.data.images.names[number]} on. Check the disk."
        )


def standardised(maps: Tensor) -> Tensor:
    """(..., h, w) to mean 0 and deviation 1 over space; a flat map to 0."""
    centred = maps - maps.mean((-2, -1), keepdim=True)
    return centred / (centred.square().mean((-2, -1), keepdim=True).sqrt() + 1e-5)


def collate(samples: list[Sample]) -> Sample:
    """Stacks samples of one size."""
    answers = [one.answers for one in samples if one.answers is not None]
    blocks = samples[0].similarity or {}
    return Sample(
        torch.stack([one.image for one in samples]),
        torch.stack([one.target for one in samples]),
        torch.stack(answers) if answers else None,
        {b: torch.stack([one.similarity[b] for one in samples if one.similarity]) for b in blocks} or None,
        torch.stack([one.broken for one in samples]),
    )


def places(
    config: TrainConfig, images: int, epoch: int, rank: int, world: int, skip: int
) -> Iterator[list[Place]]:
    """This process's parts of an epoch's batches, in order; the last, incomplete batch is left out.

    Part p of a batch belongs to process p modulo ``world``, so that two processes see the parts that one
    process sees in two accumulated halves.

    Args:
        skip: Batches of the epoch that are done already.
    """
    generator = torch.Generator().manual_seed(hash((config.seed, epoch)) & 0x7FFF_FFFF_FFFF_FFFF)
    order = torch.randperm(images, generator=generator).tolist()
    parts = config.accumulate * world
    share = config.batch // parts
    size = config.size_at(epoch)
    for step in range(skip, images // config.batch):
        for part in range(rank, parts, world):
            start = step * config.batch + part * share
            yield [(epoch, number, size) for number in order[start : start + share]]


def batches(
    crops: Crops, epoch: int, *, rank: int = 0, world: int = 1, skip: int = 0, workers: int = 0
) -> Iterator[Sample]:
    """The crops of ``places``, prepared by ``workers`` processes beside this one."""
    loader: DataLoader[Sample] = DataLoader(
        crops,
        batch_sampler=list(places(crops.config, len(crops), epoch, rank, world, skip)),
        collate_fn=collate,
        num_workers=workers,
    )
    return iter(loader)
