"""Random augmentation of training images, with the position of each crop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import roi_align
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

from sge.training.config import TrainConfig

MEAN_COLOR = [124, 116, 104]
"""ImageNet's mean color in RGB, which fills erased rectangles and borders."""
JITTER = 0.3
"""Relative change of brightness, contrast and saturation."""


@dataclass(frozen=True)
class Crop:
    """The position of a crop, in fractions of the image's width and height."""

    left: float
    top: float
    right: float
    bottom: float
    flipped: bool

    def of(self, maps: Tensor, side: int) -> Tensor:
        """Cuts the same crop from maps of the whole image.

        Args:
            maps: (G, h, w), floating.
            side: Rows and columns of the result.

        Returns:
            (G, side, side); each cell is the average over its area (RoIAlign).
        """
        height, width = maps.shape[1:]
        box = torch.tensor(
            [[0.0, self.left * width, self.top * height, self.right * width, self.bottom * height]]
        )
        cut: Tensor = roi_align(maps[None], box, side, aligned=True)[0]
        return cut.flip(2) if self.flipped else cut


class Augment:
    """Random crop, flip and the config's augmentation; draws from torch's global generator."""

    def __init__(self, config: TrainConfig) -> None:
        self.crop = v2.RandomResizedCrop(32, scale=config.crop_scale, antialias=True)
        erase = v2.RandomErasing(p=0.25, scale=(0.02, 0.2), value=MEAN_COLOR)
        self.after = v2.Compose(
            {
                "plain": [v2.Identity()],
                "colour": [v2.ColorJitter(JITTER, JITTER, JITTER), v2.RandomGrayscale(0.1), erase],
                "strong": [v2.RandAugment(fill=MEAN_COLOR), erase],
            }[config.augment]
        )

    def __call__(self, image: Tensor, size: int) -> tuple[Tensor, Crop]:
        """Augments an image.

        Args:
            image: (3, H, W), uint8.
            size: Side of the crop after resizing, in pixels.

        Returns:
            The crop, (3, size, size) uint8, and its position.
        """
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
    """Mixup (Zhang et al., ICLR 2018) or CutMix (Yun et al., ICCV 2019), as the config says.

    Args:
        images: (N, 3, s, s), floating.
        targets: (N,), class numbers.
        classes: Number of classes.
        config: Gives the alphas ``mixup`` and ``cutmix``; where both are positive, one of the two is drawn.
        seed: Determines the draw.

    Returns:
        Images, and targets: (N,) if neither is on, else probabilities (N, classes).
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
