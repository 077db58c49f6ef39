"""Finds the class that a folder's name stands for: a WordNet id of ImageNet, a label, or a class number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from sge.errors import ChoiceError
from sge.models import imagenet_labels


@dataclass(frozen=True)
class _ImageNetClass:
    wnid: str
    """WordNet id, such as n02086240."""
    label: str
    """torchvision's name, by which the labels of our models call the class."""
    wordnet_name: str
    """WordNet's name; torchvision's where another class already has WordNet's as its label."""

    @property
    def names(self) -> tuple[str, str, str]:
        """All names by which a model may label the class, the likeliest first."""
        return self.label, self.wordnet_name, self.wnid


@cache
def _imagenet_classes() -> list[_ImageNetClass]:
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    wnids: list[str] = info.label_names()  # type: ignore[no-untyped-call]
    labels = imagenet_labels()
    classes = []
    for index, (wnid, label) in enumerate(zip(wnids, labels, strict=True)):
        description = str(info.index_to_description(index))
        # WordNet calls the bird "crane", which is torchvision's label of the machine.
        classes.append(_ImageNetClass(wnid, label, label if description in labels else description))
    return classes


def class_indices(folders: Iterable[str], labels: list[str]) -> dict[str, int]:
    """Maps each folder to a class of a model.

    A folder may be named by a label of the model, by the WordNet id of an ImageNet class, or by the class
    number. If the model has other classes than ImageNet's thousand, an id is translated to the ImageNet class's
    names ("Shih-Tzu"), and a class whose label is an id is also found by these names.

    Args:
        folders: Names of folders.
        labels: The model's labels, in the order of its outputs.

    Raises:
        ChoiceError: a folder that matches no class, or a label that several classes share.
    """
    by_label: dict[str, int] = {}
    for index, label in enumerate(labels):
        by_label.setdefault(label, index)
    aliases = _aliases(by_label, len(labels))
    return {folder: _class_index(folder, labels, by_label, aliases) for folder in folders}


def _aliases(by_label: dict[str, int], count: int) -> dict[str, int]:
    """Names of ImageNet classes that the model has, besides its own labels."""
    classes = _imagenet_classes()
    if count == len(classes):
        return {known.wnid: index for index, known in enumerate(classes)}
    aliases: dict[str, int] = {}
    for known in classes:
        index = next((by_label[name] for name in known.names if name in by_label), None)
        if index is not None:
            aliases |= dict.fromkeys(known.names, index)
    return aliases


def _class_index(folder: str, labels: list[str], by_label: dict[str, int], aliases: dict[str, int]) -> int:
    if folder in by_label:
        if labels.count(folder) > 1:
            raise ChoiceError(
                f"Several classes of this model are labelled {folder!r}. Name folders by number."
            )
        return by_label[folder]
    if folder in aliases:
        return aliases[folder]
    if folder.isdecimal() and int(folder) < len(labels):
        return int(folder)
    raise ChoiceError(
        f"The folder {folder!r} is no class of this model. Name folders by WordNet id, label or class number."
    )
