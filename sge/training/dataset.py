"""Labelled images of a training: listed, checked, and decoded ahead or at each access."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sge.datasets import (
    DecodedCache,
    ImageFiles,
    LabelledSet,
    Prepare,
    Progress,
    cache_key,
    decode_files,
    evaluation_crop,
    find_labelled,
    shrink,
    write_cache,
)
from sge.errors import DataError
from sge.images import Preprocess

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
    skipped: list[str]
    """Images that could not be read, one line each; empty where images are decoded at each access."""


def open_set(
    sources: Sequence[Path],
    store: Path,
    classes: list[str] | None = None,
    progress: Progress | None = None,
    ahead: bool | None = None,
    evaluate_as: Preprocess | None = None,
) -> TrainingSet:
    """Lists labelled images, and decodes them into ``store`` unless it already holds exactly these.

    Args:
        sources: Folders in ImageFolder layout, or ``.tar`` files with members ``CLASS/NAME.EXT``.
        store: File of the decoded images.
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
    if ahead is False or (ahead is None and len(found.files) >= MANY_IMAGES):
        images = ImageFiles(found.files, prepare, key)
        skipped: list[str] = []
    else:
        images = _decoded(found, store, key, prepare, progress)
        skipped = images.skipped
    names = [name.partition("/")[0] for name in images.names]
    if unread := sorted(set(found.folders) - set(names)):
        raise DataError(f"No image of {', '.join(unread)} can be read. Replace them.")
    numbers = {name: i for i, name in enumerate(classes or found.folders)}
    return TrainingSet(images, [numbers[name] for name in names], list(numbers), skipped)


def _check(found: LabelledSet, classes: list[str] | None) -> None:
    sources = ", ".join(map(str, found.sources))
    if found.empty:
        raise DataError(
            f"No image of {', '.join(found.empty[:5])} in {sources}. Add some, or remove the folder: "
            "a class without images cannot be learned."
        )
    if classes is None and len(found.folders) < 2:
        raise DataError(
            f"There is one class only ({', '.join(found.folders)}); at least two are needed to learn."
        )
    if classes is not None and (unknown := sorted(set(found.folders) - set(classes))):
        raise DataError(
            f"{', '.join(unknown[:5])}: no such class among those learned ({', '.join(classes[:5])}, ...). "
            "Train and dev images need the same folders."
        )


def _decoded(
    found: LabelledSet, store: Path, key: str, prepare: Prepare, progress: Progress | None
) -> DecodedCache:
    try:
        return DecodedCache(store, key=key)
    except DataError:  # not made yet, made from other images, or damaged
        images = ((file.name, image) for file, image in decode_files(found.files))
        write_cache(store, images, progress, key=key, prepare=prepare)
        return DecodedCache(store, key=key)
