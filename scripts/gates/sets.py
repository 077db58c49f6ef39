"""The sets of gate tuning: what is learned from, what a run is chosen by, and what its figures are stated on.

Nothing learns from, or is chosen by, the 500 validation images of ``imagenet_val_dogs`` and the 150 images of
``one_each.tar`` that ``scripts.common.held_back`` names.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from scripts.common import DATA, DEV, UNSEEN, held_back
from sge.datasets import ImageFile, class_indices, find_images, find_labelled
from sge.models import imagenet_labels

ARCHIVES = DATA / "dogs_train.tar", DATA / "pets_train.tar", DATA / "one_each.tar"
"""What gates learn from, without the images that ``unseen`` names and those of ImageNet's validation set."""
CHOOSING, CHOOSING_SEED = 100, 1
DOGS, DOGS_SEED = 400, 2


@dataclass(frozen=True)
class ImageSet:
    """Images on which a network is compared with the one with inactive gates.

    Attributes:
        files: The images.
        classes: ImageNet class of each; None if no accuracy is measured.
    """

    files: list[ImageFile]
    classes: list[int] | None = None


def chosen_by() -> list[str]:
    """Names of the images of ``one_each.tar`` that no run learns from, because runs are chosen by them."""
    held = set(held_back())
    names = sorted(file.name for file in find_images(DATA / "one_each.tar") if file.name not in held)
    return sorted(random.Random(CHOOSING_SEED).sample(names, CHOOSING))


def unseen() -> set[str]:
    """Names of the images in ``one_each.tar`` that nothing learns from."""
    return set(held_back()) | set(chosen_by())


def stated_sets() -> dict[str, ImageSet]:
    """``dogs`` and ``others``: what figures are stated on."""
    found = find_labelled([DATA / "imagenet_val_dogs"])
    numbers = class_indices(found.folders, imagenet_labels())
    classes = [numbers[file.folder] for file in found.files]
    return {"dogs": ImageSet(found.files, classes), "others": ImageSet(_others(set(held_back())))}


def choosing_sets() -> dict[str, ImageSet]:
    """``dogs`` and ``others``: what runs are chosen by."""
    found = find_labelled([DEV])
    numbers = class_indices(found.folders, imagenet_labels())
    files = sorted(
        (file for file in found.files if not Path(file.name).name.startswith(UNSEEN)), key=lambda f: f.name
    )
    files = random.Random(DOGS_SEED).sample(files, DOGS)
    others = _others(set(chosen_by())) + sorted(find_images(DATA / "no_face"), key=lambda file: file.name)
    return {"dogs": ImageSet(files, [numbers[file.folder] for file in files]), "others": ImageSet(others)}


def _others(names: set[str]) -> list[ImageFile]:
    return [file for file in find_images(DATA / "one_each.tar") if file.name in names]
