"""Labelled pictures from ImageFolder trees and tar shards, and the batches of an epoch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sge.checkpoint import write_atomically
from sge.errors import ChoiceError
from sge.store import PictureStore, Progress, pictures_in, write_store
from sge.train.augment import Augment, Crop
from sge.train.config import TrainConfig
from sge.train.maps import TeacherMaps

Place = tuple[int, int, int]
"""Epoch, number of the picture, side of the crop: all that decides a sample, beside the seed."""


@dataclass(frozen=True)
class TrainingSet:
    """Pictures with the number of their class."""

    pictures: PictureStore
    targets: list[int]
    classes: list[str]
    """Names of folders, sorted."""
    skipped: list[str]
    """What could not be read, a line each."""


def open_set(
    sources: Sequence[Path],
    store: Path,
    classes: list[str] | None = None,
    progress: Progress | None = None,
) -> TrainingSet:
    """Decodes the pictures once into ``store``, or finds them there.

    Args:
        sources: ImageFolder trees or ``.tar`` shards, whose members are ``CLASS/NAME.EXT``.
        store: File of decoded pictures; made when it is not there or holds other sources.
        classes: The classes to expect; by default those found.
        progress: Called with the number of pictures decoded so far.

    Raises:
        ChoiceError: no such path, no classes, an empty class, or one that is not among ``classes``.
    """
    for source in sources:
        _check(source)
    wanted = [[str(source.resolve()), _stamp(source)] for source in sources]
    note = store.with_name(store.name + ".sources.json")
    try:
        kept = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        kept = {}
    if kept.get("sources") != wanted:
        note.unlink(missing_ok=True)
        skipped = write_store(store, (one for source in sources for one in pictures_in(source)), progress)
        write_atomically(note, json.dumps({"sources": wanted, "skipped": skipped}).encode())
    else:
        skipped = list(kept["skipped"])
    pictures = PictureStore(store)
    names = [_class_of(name) for name in pictures.names]
    found = sorted(set(names))
    _check_classes(found, classes, skipped)
    numbers = {name: i for i, name in enumerate(classes or found)}
    return TrainingSet(pictures, [numbers[name] for name in names], classes or found, skipped)


def _check(source: Path) -> None:
    if not source.exists():
        raise ChoiceError(f"There is no {source}. Name a folder that holds a folder a class, or .tar shards.")
    if source.is_dir():
        folders = [one for one in source.iterdir() if one.is_dir() and not one.name.startswith(".")]
        if not folders:
            raise ChoiceError(
                f"{source} holds no folders. Put each class's pictures into a folder of its own."
            )
        if empty := sorted(one.name for one in folders if not any(one.rglob("*.*"))):
            raise ChoiceError(
                f"No picture of {', '.join(empty[:5])} in {source}. Add some, or remove the folder: "
                "a class without pictures cannot be learned."
            )


def _stamp(source: Path) -> list[int]:
    """Changes when pictures come or go."""
    if source.is_file():
        return [source.stat().st_size, source.stat().st_mtime_ns]
    return [sum(1 for _ in source.rglob("*.*")), max(one.stat().st_mtime_ns for one in source.rglob("*"))]


def _class_of(name: str) -> str:
    folder = Path(name).parent.name
    if not folder:
        raise ChoiceError(f"{name} lies in no folder of a class. Name members of a shard CLASS/NAME.EXT.")
    return folder


def _check_classes(found: list[str], classes: list[str] | None, skipped: list[str]) -> None:
    unread = {_class_of(line.split(":")[0]) for line in skipped} - set(found)
    if unread:
        raise ChoiceError(f"No picture of {', '.join(sorted(unread))} can be read. Replace them.")
    if classes is None and len(found) < 2:
        raise ChoiceError(f"There is one class only ({', '.join(found)}); at least two are needed to learn.")
    if classes is not None and (strange := sorted(set(found) - set(classes))):
        raise ChoiceError(
            f"{', '.join(strange[:5])}: no such class among those learned ({', '.join(classes[:5])}, ...). "
            "Train and dev pictures need the same folders."
        )


@dataclass(frozen=True)
class Sample:
    """One crop, or a batch of them when every tensor has one dimension more."""

    picture: Tensor
    """(3, s, s), uint8."""
    target: Tensor
    """Class number, int64."""
    answers: Tensor | None = None
    """The teacher's logits, (classes,)."""
    similarity: dict[str, Tensor] | None = None
    """By the student's block: (G, h, w) of the teacher's groups, mean 0 and deviation 1."""


@dataclass(frozen=True)
class Grids:
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
        grids: dict[str, Grids] | None = None,
    ) -> None:
        self.data, self.config, self.maps, self.grids = data, config, maps, grids or {}
        self.augment = Augment(config)

    def __len__(self) -> int:
        return len(self.data.targets)

    def __getitem__(self, place: Place) -> Sample:
        epoch, number, size = place
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(hash((self.config.seed, epoch, number)) & 0x7FFF_FFFF_FFFF_FFFF)
            picture, crop = self.augment(self.data.pictures[number], size)
        target = torch.tensor(self.data.targets[number])
        if self.maps is None:
            return Sample(picture, target)
        seen = self.maps[number]
        similarity = {
            block: standardised(crop.of(seen.similarity[grid.source], -(-size // grid.stride)))
            for block, grid in self.grids.items()
        }
        return Sample(picture, target, crop.of(seen.logits, 4).mean((1, 2)), similarity)


def standardised(maps: Tensor) -> Tensor:
    """(..., h, w) to mean 0 and deviation 1 over space; a flat map to 0."""
    centred = maps - maps.mean((-2, -1), keepdim=True)
    return centred / (centred.square().mean((-2, -1), keepdim=True).sqrt() + 1e-5)


def collate(samples: list[Sample]) -> Sample:
    """Stacks samples of one size."""
    answers = [one.answers for one in samples if one.answers is not None]
    blocks = samples[0].similarity or {}
    return Sample(
        torch.stack([one.picture for one in samples]),
        torch.stack([one.target for one in samples]),
        torch.stack(answers) if answers else None,
        {b: torch.stack([one.similarity[b] for one in samples if one.similarity]) for b in blocks} or None,
    )


def places(
    config: TrainConfig, pictures: int, epoch: int, rank: int, world: int, skip: int
) -> Iterator[list[Place]]:
    """This process's parts of an epoch's batches, in order; the last, incomplete batch is left out.

    Part p of a batch belongs to process p modulo ``world``, so that two processes see the parts that one
    process sees in two accumulated halves.

    Args:
        skip: Batches of the epoch that are done already.
    """
    generator = torch.Generator().manual_seed(hash((config.seed, epoch)) & 0x7FFF_FFFF_FFFF_FFFF)
    order = torch.randperm(pictures, generator=generator).tolist()
    parts = config.accumulate * world
    share = config.batch // parts
    size = config.size_at(epoch)
    for step in range(skip, pictures // config.batch):
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


__all__ = ["Crop", "Crops", "Grids", "Sample", "TrainingSet", "batches", "collate", "open_set", "places"]
