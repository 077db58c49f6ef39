"""What is done to an image before the student sees it, and where its crop lies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import roi_align
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

from sge.training.config import TrainConfig

GREY = [124, 116, 104]
"""ImageNet's mean colour, which an erased rectangle gets."""
JITTER = 0.3


@dataclass(frozen=True)
class Crop:
    """A crop of an image, in fractions of it."""

    left: float
    top: float
    right: float
    bottom: float
    flipped: bool

    def of(self, maps: Tensor, side: int) -> Tensor:
        """The same crop of maps of the whole image: (G, h, w) to (G, side, side), each cell an average."""
        height, width = maps.shape[1:]
        box = torch.tensor(
            [[0.0, self.left * width, self.top * height, self.right * width, self.bottom * height]]
        )
        cut: Tensor = roi_align(maps[None], box, side, aligned=True)[0]
        return cut.flip(2) if self.flipped else cut


class Augment:
    """Random crop, flip and what the recipe asks for; draws from torch's global generator."""

    def __init__(self, config: TrainConfig) -> None:
        self.crop = v2.RandomResizedCrop(32, scale=config.crop_scale, antialias=True)
        erase = v2.RandomErasing(p=0.25, scale=(0.02, 0.2), value=GREY)
        self.after = v2.Compose(
            {
                "plain": [v2.Identity()],
                "colour": [v2.ColorJitter(JITTER, JITTER, JITTER), v2.RandomGrayscale(0.1), erase],
                "strong": [v2.RandAugment(fill=GREY), erase],
            }[config.augment]
        )

    def __call__(self, image: Tensor, size: int) -> tuple[Tensor, Crop]:
        """(3, H, W) uint8 to (3, size, size) uint8, and where it was cut."""
        height, width = image.shape[1:]
        box = self.crop.make_params([image])
        top, left, tall, wide = (int(box[key]) for key in ("top", "left", "height", "width"))
        cut = TF.resized_crop(image, top, left, tall, wide, [size, size], antialias=True)
        flipped = bool(torch.rand(()) < 0.5)
        cut = cut.flip(2) if flipped else cut
        crop = Crop(left / width, top / height, (left + wide) / width, (top + tall) / height, flipped)
        return self.after(cut), crop


def mixed(
    images: Tensor, targets: Tensor, classes: int, config: TrainConfig, seed: int
) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al., ICLR 2018) or CutMix (Yun et al., ICCV 2019), as the recipe says.

    Args:
        images: (N, 3, s, s), floating.
        targets: (N,), class numbers.
        classes: Number of classes.
        config: ``mixup`` and ``cutmix`` are the alphas.
        seed: Decides the draw.

    Returns:
        Images, and targets as (N,) or as probabilities (N, classes).
    """
    kinds = [
        kind(alpha=alpha, num_classes=classes)
        for kind, alpha in ((v2.MixUp, config.mixup), (v2.CutMix, config.cutmix))
        if alpha > 0
    ]
    if not kinds:
        return images, targets
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mix: tuple[Tensor, Tensor] = v2.RandomChoice(kinds)(images, targets)
    return mix
