"""How the channel permutations in weights/sge_efficientnet_lite0.delta.safetensors were made.

    python -m scripts.models.sort_lite0

Regroups the published network on 450 images of dogs, none of ImageNet's validation set, and 250 of other things, from
../shared/data (or SGE_SHARED), and prints whether the permutations are the shipped ones. Some minutes on one thread.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image

import sge
from scripts.common import DATA, UNSEEN, decoded_each
from sge.datasets import ImageFile, find_images
from sge.images import resize
from sge.models import LITE0, LITE0_PREPROCESS, base_weights, load_base, pretrained_model
from sge.nn import channel_permutations

COUNTS = {"dogs_train.tar": 450, "one_each.tar": 250}
"""Number of images by archive."""
SHORTER, MAX_LONGER = 224, 320
"""Sides of the inputs, in pixels."""


class Images:
    """(3, h, w) each, float32, normalized; decoded anew in every pass."""

    def __init__(self) -> None:
        chance = random.Random(0)
        self._files: list[ImageFile] = []
        for archive, count in COUNTS.items():
            files = sorted(find_images(DATA / archive), key=lambda file: file.name)
            allowed = [
                file for file in files if file.name.endswith("webp") and not file.path.name.startswith(UNSEEN)
            ]
            self._files += chance.sample(allowed, count)

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[torch.Tensor]:
        for _, image in decoded_each(self._files):
            yield framed(image.rgb)


def framed(image: Image.Image) -> torch.Tensor:
    """The image with a shorter side of 224 px; the longer side is cropped to the central 320 px.

    The order of the arithmetic is that with which the shipped permutations were made. ``normalize`` rounds
    differently by 1e-7, and from such inputs the balanced k-means of half of the blocks ends elsewhere.
    """
    factor = SHORTER / min(image.size)
    width, height = (max(SHORTER, round(side * factor)) for side in image.size)
    image = resize(image, (width, height), "bicubic")
    width, height = (min(side, MAX_LONGER) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    crop = np.asarray(image.crop((left, top, left + width, top + height)), np.float32)
    values = torch.from_numpy(crop / 255)
    mean, std = torch.tensor(LITE0_PREPROCESS.mean), torch.tensor(LITE0_PREPROCESS.std)
    return ((values - mean) / std).permute(2, 0, 1).contiguous()


def main() -> None:
    """Permutes, and compares with the shipped permutations."""
    torch.set_num_threads(1)
    network = sge.insert_sge(load_base(base_weights())).eval()
    made = channel_permutations(network, Images(), 0)
    delta = pretrained_model(LITE0).delta
    assert delta is not None
    for block, permutation in delta.delta.permutations.items():
        same = torch.equal(made[block].long(), permutation.long())
        print(block, "as shipped" if same else "another permutation")


if __name__ == "__main__":
    main()
