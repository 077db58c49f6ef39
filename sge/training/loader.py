"""The random crops of an epoch, in batches, with the teacher's targets for each crop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sge.errors import DataError, ImageError
from sge.nn import standardize_maps
from sge.training.augment import Augment
from sge.training.config import TrainConfig
from sge.training.dataset import TrainingSet
from sge.training.teacher_maps import TeacherMaps

CropKey = tuple[int, int, int]
"""Epoch, image number and crop side in pixels: with the seed they determine a sample."""
MAX_BROKEN_RUN = 100
"""A class counts as lost when this many of its images cannot be read, one after the other."""
LOGITS_CELLS = 4
"""Rows and columns at which the teacher's logits are read within a crop, before they are averaged."""


@dataclass(frozen=True)
class Sample:
    """One crop, or a batch of crops if every tensor has one more dimension in front."""

    image: Tensor
    """(3, s, s), uint8."""
    target: Tensor
    """Class number, (), int64."""
    logits: Tensor | None = None
    """The teacher's logits for the crop, (classes,), float32."""
    similarity: dict[str, Tensor] | None = None
    """By the student's block: (G, h, w) of the teacher's groups, float32, mean 0 and unbiased std 1 in each map."""
    broken: Tensor = field(default_factory=lambda: torch.tensor(-1))
    """Number of the image that can no longer be read and that another one of its class replaces, or -1, (), int64."""
    lost: Tensor = field(default_factory=lambda: torch.tensor(False))
    """Whether no image of its class can be read any more, (), bool; ``image`` then means nothing."""


@dataclass(frozen=True)
class TargetGrid:
    """Which teacher's block a student's block follows, and on which grid."""

    source: str
    """Name of the teacher's block."""
    stride: int
    """Pixels per cell of the student's block."""


class Crops(Dataset[Sample]):
    """Random crops determined by seed, epoch and image number: not by workers, processes or earlier crops.

    Args:
        data: Images and class numbers.
        config: Gives the augmentation and the seed.
        maps: The teacher's outputs, in the order of the images.
        grids: By the student's block.
    """

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

    def __getitem__(self, key: CropKey) -> Sample:
        epoch, wanted, size = key
        number, pixels = self._readable(wanted)
        broken = torch.tensor(-1 if number == wanted else wanted)
        if pixels is None:
            # An error in a process that prepares crops would arrive with that process's traceback.
            pixels, lost = torch.zeros(3, size, size, dtype=torch.uint8), torch.tensor(True)
            broken = torch.tensor(wanted)
        else:
            lost = torch.tensor(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(self.config.seed, epoch, number))
            image, crop = self.augment(pixels, size)
        target = torch.tensor(self.data.targets[number])
        if self.maps is None:
            return Sample(image, target, broken=broken, lost=lost)
        output = self.maps[number]
        similarity = {
            block: standardize_maps(crop.of(output.similarity[grid.source], -(-size // grid.stride)))
            for block, grid in self.grids.items()
        }
        logits = crop.of(output.logits, LOGITS_CELLS).mean((1, 2))
        return Sample(image, target, logits, similarity, broken, lost)

    def _readable(self, number: int) -> tuple[int, Tensor | None]:
        """The first image from ``number`` on that can be read and has its class; None if there is none."""
        tried = 0
        for step in range(len(self)):
            candidate = (number + step) % len(self)
            if self.data.targets[candidate] != self.data.targets[number]:
                continue
            try:
                return candidate, self.data.images[candidate]
            except (ImageError, DataError):
                tried += 1
            if tried == MAX_BROKEN_RUN:
                break
        return number, None


def derived_seed(*numbers: int) -> int:
    """A 64-bit seed that depends on all of the numbers and on their order."""
    words = np.random.SeedSequence([number % 2**64 for number in numbers]).generate_state(1, np.uint64)
    return int(words[0])


def collate(samples: list[Sample]) -> Sample:
    """Stacks crops of one size."""
    logits = [sample.logits for sample in samples if sample.logits is not None]
    blocks = samples[0].similarity or {}
    return Sample(
        torch.stack([sample.image for sample in samples]),
        torch.stack([sample.target for sample in samples]),
        torch.stack(logits) if logits else None,
        {b: torch.stack([s.similarity[b] for s in samples if s.similarity]) for b in blocks} or None,
        torch.stack([sample.broken for sample in samples]),
        torch.stack([sample.lost for sample in samples]),
    )


def batch_keys(
    config: TrainConfig, images: int, epoch: int, rank: int, world: int, skip: int
) -> Iterator[list[CropKey]]:
    """The crops of an epoch that one process computes, as micro-batches in order.

    Every batch is cut into ``accumulate * world`` micro-batches; number p goes to process p modulo ``world``, so
    that two processes see the micro-batches that one process sees with twice the accumulation. The last,
    incomplete batch is dropped.

    Args:
        config: Gives seed, batch size, accumulation and crop size.
        images: Number of images.
        epoch: From 0.
        rank: Number of this process.
        world: Number of processes.
        skip: Batches of the epoch that are done already.
    """
    generator = torch.Generator().manual_seed(derived_seed(config.seed, epoch))
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
    """The micro-batches of ``batch_keys``, prepared by ``workers`` processes beside this one."""
    loader: DataLoader[Sample] = DataLoader(
        crops,
        batch_sampler=list(batch_keys(crops.config, len(crops), epoch, rank, world, skip)),
        collate_fn=collate,
        num_workers=workers,
    )
    return iter(loader)
