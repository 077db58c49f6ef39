"""Batches of random crops that depend on the seed and the step alone, so that a resumed training sees the same ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sge.errors import ChoiceError
from sge.images.framing import Preprocess

SMALLEST_CROP = 0.6
"""Side of the smallest crop, as a fraction of the image's shorter side; the largest is all of it.

A crop is never smaller than the input where the image allows that: a blurred one teaches what no photo shows.
"""


def crops(
    images: Sequence[Tensor], preprocess: Preprocess, batch: int, size: int, seed: int, step: int
) -> Tensor:
    """Square crops of images drawn with replacement, half of them flipped left to right.

    Args:
        images: Each (3, H, W): uint8 in RGB, which is normalised here, or floating, which is already.
        preprocess: Normalisation of uint8 images.
        batch: Number of crops.
        size: Their side, in pixels.
        seed: With ``step``, decides everything that is random.
        step: Number of the batch.

    Returns:
        (batch, 3, size, size), float32.

    Raises:
        ChoiceError: an image that is not (3, H, W).
    """
    random = np.random.default_rng((seed, step))
    chosen = random.integers(len(images), size=batch)
    return torch.stack([_crop(images[int(i)], preprocess, size, random) for i in chosen])


def _crop(image: Tensor, preprocess: Preprocess, size: int, random: np.random.Generator) -> Tensor:
    if image.dim() != 3 or image.shape[0] != 3:
        raise ChoiceError(f"An image has shape {tuple(image.shape)}; give each as (3, height, width).")
    height, width = image.shape[1:]
    shorter = min(height, width)
    side = round(random.uniform(min(shorter, max(size, SMALLEST_CROP * shorter)), shorter))
    top, left = (int(random.integers(whole - side + 1)) for whole in (height, width))
    square = image[None, :, top : top + side, left : left + side]
    crop = F.interpolate(square, (size, size), mode="bilinear", antialias=True)[0]
    if random.random() < 0.5:
        crop = crop.flip(2)
    if image.dtype != torch.uint8:
        return crop.float()
    mean, std = (255 * torch.tensor(three).view(3, 1, 1) for three in (preprocess.mean, preprocess.std))
    return (crop - mean) / std
