"""Labelled images of a training: listed, checked, and decoded ahead or at each access."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sge.datasets import (
    DecodedCache,
    ImageFiles,
    LabelledSet,
    Prepare,
    Progress,
    Skipped,
    cache_key,
    check_files,
    class_of,
    decode_files,
    evaluation_crop,
    find_labelled,
    shrink,
    write_cache,
)
from sge.errors import DataError
from sge.files import locked
from sge.images import Preprocess
from sge.text import printable

MANY_IMAGES = 100_000
"""Sets of at least this many images are not decoded ahead: at 256 px they would take more than 25 GB."""


@dataclass(frozen=True)
class TrainingSet:
    """Images with their class numbers."""

    images: DecodedCache | ImageFiles
    targets: list[int]
    """Class number of each image."""
    classes: list[str]
    """Folder names, in the order of the class numbers."""
    broken: list[str] = field(default_factory=list)
    """Images, folders and links that could not be read, one line each."""
    skipped: list[Skipped] = field(default_factory=list)
    """Files that are no images, and what operating systems leave in folders."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """Names of images about which the decoder says something, with its sentences."""
    lost: set[int] = field(default_factory=set, compare=False)
    """Numbers of images that could be read at first and no longer can."""


def open_set(
    sources: Sequence[Path],
    store: Path,
    classes: list[str] | None = None,
    progress: Progress | None = None,
    ahead: bool | None = None,
    evaluate_as: Preprocess | None = None,
) -> TrainingSet:
    """Lists labelled images, and decodes them into ``store`` unless it already holds exactly these.

    Images that are not kept are decoded once all the same, so that both ways leave out the same broken images and give
    the same training.

    Args:
        sources: Folders in ImageFolder layout, or ``.tar`` files with members ``CLASS/NAME.EXT``.
        store: File of the decoded images; beside it ``store.checked.json`` keeps which images can be read.
        classes: The expected classes; by default those found, sorted.
        progress: Called with the number of images decoded so far.
        ahead: Decode all images now; by default if there are fewer than ``MANY_IMAGES``.
        evaluate_as: Keep the crop on which a network with this preprocessing is evaluated; by default images
            are kept for random crops.

    Raises:
        DataError: a source is missing or damaged, a class is empty, unreadable or not among ``classes``, or
            there is only one class.
    """
    found = find_labelled(sources)
    _check(found, classes)
    prepare: Prepare = shrink if evaluate_as is None else evaluation_crop(evaluate_as)
    key = cache_key(found.files, evaluate_as=evaluate_as and asdict(evaluate_as))
    images: DecodedCache | ImageFiles
    with locked(store.with_name(f"{store.name}.lock")):
        if ahead is False or (ahead is None and len(found.files) >= MANY_IMAGES):
            images, broken, notes = _when_asked_for(found, store, key, prepare, progress)
        else:
            images = kept = _decoded(found, store, key, prepare, progress)
            broken, notes = kept.skipped, kept.notes
    names = [class_of(name) for name in images.names]
    if unread := sorted(set(found.folders) - set(names)):
        first = next(line for line in broken if class_of(line) in unread)
        raise DataError(
            f"No image of {', '.join(unread)} can be read ({first}). Replace them, or remove the folder."
        )
    numbers = {name: i for i, name in enumerate(classes or found.folders)}
    broken = broken + [f"{entry.path}: {entry.reason}." for entry in found.unreadable]
    targets = [numbers[name] for name in names]
    return TrainingSet(images, targets, list(numbers), broken, found.skipped, notes)


def _check(found: LabelledSet, classes: list[str] | None) -> None:
    found.check_filled()
    for folder in found.folders:
        if printable(folder) != folder:
            raise DataError(
                f"The name of the class folder {printable(folder)} holds characters that cannot be shown. Rename it: "
                "it becomes the label of the class."
            )
    if classes is None and len(found.folders) < 2:
        raise DataError(
            f"There is one class only ({', '.join(found.folders)}); at least two are needed to learn. Add the folder of "
            "another."
        )
    if classes is not None and (unknown := sorted(set(found.folders) - set(classes))):
        raise DataError(
            f"{', '.join(unknown[:5])}: no such class among those learned ({', '.join(classes[:5])}, ...). "
            "Train and dev images need the same folders."
        )


def _when_asked_for(
    found: LabelledSet, store: Path, key: str, prepare: Prepare, progress: Progress | None
) -> tuple[ImageFiles, list[str], dict[str, list[str]]]:
    """The images that can be read, the others with the reasons, and notes of the decoder."""
    ImageFiles(found.files)  # refuses compressed archives at once
    checked = check_files(store.with_name(f"{store.name}.checked.json"), found.files, key, progress)
    readable = [file for file in found.files if file.name not in checked.broken]
    broken = [f"{name}: {reason}" for name, reason in checked.broken.items()]
    return ImageFiles(readable, prepare, key), broken, checked.notes


def _decoded(
    found: LabelledSet, store: Path, key: str, prepare: Prepare, progress: Progress | None
) -> DecodedCache:
    try:
        return DecodedCache(store, key=key)
    except DataError:  # not made yet, made from other images, or damaged
        images = ((file.name, image) for file, image in decode_files(found.files))
        write_cache(store, images, progress, key=key, prepare=prepare)
        return DecodedCache(store, key=key)
