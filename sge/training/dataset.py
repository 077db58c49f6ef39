"""Images for training: decoded ahead into one file, or each when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sge.datasets.decoded_cache import DecodedCache, Progress, shrunk, write_cache
from sge.datasets.labelled import LabelledSet, Sample, contents, find_samples
from sge.errors import BrokenImageError, ChoiceError
from sge.files import write_atomically
from sge.images.decode import decode

MANY = 100_000
"""From so many images on they are not decoded ahead: at 256 px that would take more than 25 GB."""


class ImageFiles(Sequence[Tensor]):
    """Images as they lie in folders and uncompressed shards; ``files[i]`` is (3, H, W) uint8, RGB.

    Raises:
        ChoiceError: a compressed shard, in which no image can be reached without all before it.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        for source in {one.source for one in samples if one.member is not None}:
            with source.open("rb") as file:
                if not _is_plain_tar(file.read(512)):
                    raise ChoiceError(
                        f"{source} is compressed. Unpack the shard to a plain .tar, or have its images decoded ahead "
                        "(--decode ahead)."
                    )

    @property
    def names(self) -> list[str]:
        """Where each image comes from."""
        return [one.name for one in self._samples]

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, i: int) -> Tensor:  # type: ignore[override]
        one = self._samples[i]
        if one.member is None:
            image = decode(one.source / one.name).rgb
        else:
            with one.source.open("rb") as file:
                file.seek(one.member.offset_data)
                image = decode(file.read(one.member.size)).rgb
        return torch.from_numpy(np.array(shrunk(image))).permute(2, 0, 1)


def _is_plain_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


@dataclass(frozen=True)
class TrainingSet:
    """Images with the number of their class."""

    images: DecodedCache | ImageFiles
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
    ahead: bool | None = None,
) -> TrainingSet:
    """Lists the images; decodes them once into ``store``, or finds them there.

    Args:
        sources: ImageFolder trees or ``.tar`` shards, whose members are ``CLASS/NAME.EXT``.
        store: File of decoded images; made when it is not there or holds other sources.
        classes: The classes to expect; by default those found.
        progress: Called with the number of images decoded so far.
        ahead: Decode ahead; by default when there are fewer than ``MANY``.

    Raises:
        ChoiceError: no such path, no classes, an empty class, or one that is not among ``classes``.
    """
    found = find_samples(sources)
    _check(found, classes)
    if ahead is False or (ahead is None and len(found.samples) >= MANY):
        images: DecodedCache | ImageFiles = ImageFiles(found.samples)
        skipped: list[str] = []
    else:
        skipped = _decoded(found, store, progress)
        images = DecodedCache(store)
    names = [name.split("/")[0] for name in images.names]
    if unread := sorted(set(found.folders) - set(names)):
        raise ChoiceError(f"No image of {', '.join(unread)} can be read. Replace them.")
    numbers = {name: i for i, name in enumerate(classes or found.folders)}
    return TrainingSet(images, [numbers[name] for name in names], list(numbers), skipped)


def _check(found: LabelledSet, classes: list[str] | None) -> None:
    sources = ", ".join(map(str, found.sources))
    if found.empty:
        raise ChoiceError(
            f"No image of {', '.join(found.empty[:5])} in {sources}. Add some, or remove the folder: "
            "a class without images cannot be learned."
        )
    if classes is None and len(found.folders) < 2:
        raise ChoiceError(
            f"There is one class only ({', '.join(found.folders)}); at least two are needed to learn."
        )
    if classes is not None and (strange := sorted(set(found.folders) - set(classes))):
        raise ChoiceError(
            f"{', '.join(strange[:5])}: no such class among those learned ({', '.join(classes[:5])}, ...). "
            "Train and dev images need the same folders."
        )


def _decoded(found: LabelledSet, store: Path, progress: Progress | None) -> list[str]:
    """Decodes into the store unless these very files are in it; what could not be read."""
    wanted = [[str(one.resolve()), *_stamp(one)] for one in found.sources]
    note = store.with_name(store.name + ".sources.json")
    try:
        kept = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        kept = {}
    if kept.get("sources") == wanted:
        return list(kept["skipped"])
    note.unlink(missing_ok=True)
    damaged: list[str] = []
    skipped = write_cache(store, _bytes(found, damaged), progress) + damaged
    write_atomically(note, json.dumps({"sources": wanted, "skipped": skipped}).encode())
    return skipped


def _bytes(found: LabelledSet, damaged: list[str]) -> Iterator[tuple[str, bytes]]:
    for sample, content in contents(found.samples):
        if isinstance(content, BrokenImageError):
            damaged.append(f"{sample.name}: {content}")
        elif isinstance(content, bytes):
            yield sample.name, content
        else:
            yield sample.name, (sample.source / sample.name).read_bytes()


def _stamp(source: Path) -> list[int]:
    """Changes when images come, go or are written anew."""
    files = [source] if source.is_file() else [one for one in source.rglob("*") if one.is_file()]
    stats = [one.stat() for one in files]
    return [len(stats), sum(one.st_size for one in stats), max(one.st_mtime_ns for one in stats)]
