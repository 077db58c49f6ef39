"""What folders of labelled images are called, and which class of a model that is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from sge.errors import ChoiceError
from sge.models.labels import imagenet_labels


@cache
def _imagenet() -> tuple[list[str], list[str], list[str]]:
    """WordNet ids, and torchvision's and WordNet's names of ImageNet's classes, in order."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    wnids: list[str] = info.label_names()  # type: ignore[no-untyped-call]
    short = imagenet_labels()
    long = [str(info.index_to_description(index)) for index in range(len(wnids))]
    # WordNet calls the bird "crane" too, and so torchvision calls the machine.
    taken = set(short)
    return wnids, short, [one if one not in taken else own for own, one in zip(short, long, strict=True)]


def class_indices(folders: Iterable[str], labels: list[str]) -> dict[str, int]:
    """Which class each folder holds: ImageNet WordNet ids (n02086240), labels, or class numbers.

    A model with other classes than ImageNet's thousand is searched for the id's ImageNet name ("Shih-Tzu"), and
    for the id of a folder that is named so.

    Raises:
        ChoiceError: a folder that is none of these, or a label that several classes carry.
    """
    wnids, short, long = _imagenet()
    by_name = {label: index for index, label in reversed(list(enumerate(labels)))}
    if len(labels) == len(wnids):
        aliases = {wnid: index for index, wnid in enumerate(wnids)}
    else:
        aliases = {}
        for wnid, *names in zip(wnids, short, long, strict=True):
            known = [by_name[one] for one in (*names, wnid) if one in by_name]
            if known:
                aliases |= dict.fromkeys((*names, wnid), known[0])
    found = {}
    for folder in folders:
        if folder in by_name:
            if labels.count(folder) > 1:
                raise ChoiceError(
                    f"Several classes of this model are labelled {folder!r}. Name folders by number."
                )
            found[folder] = by_name[folder]
        elif folder in aliases:
            found[folder] = aliases[folder]
        elif folder.isdecimal() and int(folder) < len(labels):
            found[folder] = int(folder)
        else:
            raise ChoiceError(
                f"The folder {folder!r} is no class of this model. Name folders by WordNet id, label or class number."
            )
    return found
