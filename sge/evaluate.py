"""Accuracy of a classifier on a folder of labelled pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sge.errors import ChoiceError, PictureError
from sge.lens import Lens

TOP = 5


@dataclass(frozen=True)
class Evaluation:
    """How often the right class was first, or among the first five."""

    pictures: int
    top1: float
    """Fraction, 0 to 1."""
    top5: float
    top1_among: float
    """Top-1 when only the folder's own classes may win."""
    per_class: dict[str, float]
    """Folder name to top-1."""
    framing: str


def class_indices(folders: Iterable[str], labels: list[str]) -> dict[str, int]:
    """Which class each folder holds: ImageNet WordNet ids (n02086240), labels, or class numbers.

    Raises:
        ChoiceError: a folder that is none of these.
    """
    from timm.data.imagenet_info import ImageNetInfo

    by_name = {label: index for index, label in enumerate(labels)}
    if len(labels) == 1000:
        wnids: list[str] = ImageNetInfo().label_names()  # type: ignore[no-untyped-call]
        by_name |= {wnid: index for index, wnid in enumerate(wnids)}
    found = {}
    for folder in folders:
        if folder in by_name:
            found[folder] = by_name[folder]
        elif folder.isdecimal() and int(folder) < len(labels):
            found[folder] = int(folder)
        else:
            raise ChoiceError(
                f"The folder {folder!r} is no class of this model. Name folders by WordNet id, label or class number."
            )
    return found


def _ranked(lens: Lens, path: Path, framing: str) -> list[int]:
    try:
        predictions = lens.analyze(path, framing, top_k=len(lens.model.labels)).predictions
    except PictureError as error:
        raise type(error)(f"{path}: {error}") from error
    return [one.index for one in predictions]


def evaluate(
    lens: Lens,
    folder: str | os.PathLike[str],
    framing: str = "center",
    track: Callable[[list[tuple[Path, int]]], Iterable[tuple[Path, int]]] = iter,
) -> Evaluation:
    """Top-1 and top-5 over all classes of the model.

    Args:
        lens: The model on its device.
        folder: One folder a class in it.
        framing: ``center`` is the usual protocol.
        track: Wraps the list of pictures, for a progress bar.

    Raises:
        ChoiceError: no such folder, no pictures, or a folder that is no class.
        PictureError: a picture that cannot be read; accuracy of the rest would not be that of the set.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ChoiceError(f"There is no folder {root}. Give one that holds a folder a class.")
    folders = sorted(one.name for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))
    classes = class_indices(folders, lens.model.labels)
    samples = [
        (path, index)
        for name, index in classes.items()
        for path in sorted((root / name).iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]
    if not samples:
        raise ChoiceError(f"{root} holds no pictures in folders of classes.")
    hits: dict[str, list[bool]] = {name: [] for name in classes}
    in_top, in_own = 0, 0
    own = set(classes.values())
    for path, index in track(samples):
        ranked = _ranked(lens, path, framing)
        hits[path.parent.name].append(ranked[0] == index)
        in_top += index in ranked[:TOP]
        in_own += next(one for one in ranked if one in own) == index
    count = len(samples)
    return Evaluation(
        pictures=count,
        top1=sum(map(sum, hits.values())) / count,
        top5=in_top / count,
        top1_among=in_own / count,
        per_class={name: sum(each) / len(each) for name, each in hits.items() if each},
        framing=framing,
    )
