"""How the channel orders in weights/sge_efficientnet_lite0.delta.safetensors were made, from ../shared/data (or SGE_SHARED).

    .venv/bin/python docs/sort_lite0.py

Regroups the published network on 450 images of dogs, none of ImageNet's validation set, and 250 of other things, and says
whether the orders are those that are shipped. Some minutes on one thread.
"""

import io
import random
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import torch
from opening_group import SHARED
from PIL import Image

import sge
from sge.models.efficientnet_lite import LITE0_PREPROCESS, base_weights, load_base
from sge.models.registry import pretrained_model
from sge.nn.permutation.regroup import channel_permutations

DATA = SHARED / "data"
COUNTS = {"dogs_train.tar": 450, "one_each.tar": 250}
SHORTER, LONGER = 224, 320


class Images:
    """(3, h, w) each, normalised; read anew in every pass."""

    def __init__(self) -> None:
        chance = random.Random(0)
        self.chosen = []
        for archive, count in COUNTS.items():
            with tarfile.open(DATA / archive) as tar:
                names = sorted(one.name for one in tar if one.isfile() and one.name.endswith("webp"))
            allowed = [name for name in names if not name.split("/")[-1].startswith("ILSVRC2012_val")]
            self.chosen += [(archive, name) for name in chance.sample(allowed, count)]

    def __len__(self) -> int:
        return len(self.chosen)

    def __iter__(self) -> Iterator[torch.Tensor]:
        with ExitStack() as stack:
            archives = {archive: stack.enter_context(tarfile.open(DATA / archive)) for archive in COUNTS}
            for archive, name in self.chosen:
                data = io.BytesIO(archives[archive].extractfile(name).read())
                yield normalised(Image.open(data).convert("RGB"))


def normalised(image: Image.Image) -> torch.Tensor:
    """Shorter side 224 px, the longer one cut to 320 at its middle."""
    factor = SHORTER / min(image.size)
    image = image.resize(
        [max(SHORTER, round(side * factor)) for side in image.size], Image.Resampling.BICUBIC
    )
    width, height = (min(side, LONGER) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    values = torch.from_numpy(
        np.asarray(image.crop((left, top, left + width, top + height)), np.float32) / 255
    )
    mean, std = (torch.tensor(three) for three in (LITE0_PREPROCESS.mean, LITE0_PREPROCESS.std))
    return ((values - mean) / std).permute(2, 0, 1).contiguous()


def main() -> None:
    """Sorts, and compares."""
    torch.set_num_threads(1)
    network = sge.insert_sge(load_base(base_weights())).eval()
    made = channel_permutations(network, Images(), 0)
    shipped = pretrained_model("sge_efficientnet_lite0").delta.delta.permutations
    for block, order in shipped.items():
        print(block, "as shipped" if torch.equal(made[block].long(), order.long()) else "another order")


if __name__ == "__main__":
    main()
