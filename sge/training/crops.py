"""Batches of random crops for gate tuning; seed and step determine them, so that a resumed training repeats them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sge.datasets import normalize_batch
from sge.errors import DataError
from sge.images import Preprocess

MIN_CROP = 0.6
"""Side of the smallest crop as a fraction of the image's shorter side; the largest crop has the whole side.

Where the image allows it, a crop is at least as large as the input, because enlarged crops are blurred.
"""


def crops(
    images: Sequence[Tensor], preprocess: Preprocess, batch: int, size: int, seed: int, step: int
) -> Tensor:
    """Square crops of images that are drawn with replacement; half of the crops are flipped left to right.

    Args:
        images: Each (3, H, W): uint8 RGB, which is normalized here, or floating and already normalized.
        preprocess: Gives the normalization of uint8 images.
        batch: Number of crops.
        size: Side of a crop after resizing, in pixels.
        seed: Together with ``step``, determines every random choice.
        step: Number of the batch.

    Returns:
        (batch, 3, size, size), float32; with one channel if the network takes one.

    Raises:
        DataError: an image is not (3, H, W), or a normalized one has another number of channels than the network takes.
    """
    random = np.random.default_rng((seed, step))
    chosen = random.integers(len(images), size=batch)
    return torch.stack([_crop(images[int(number)], preprocess, size, random) for number in chosen])


def check_image(image: Tensor, preprocess: Preprocess) -> None:
    """Checks the shape of an image.

    Raises:
        DataError: as ``crops``.
    """
    channels = preprocess.channels if image.is_floating_point() else 3
    if image.dim() != 3 or image.shape[0] != channels:
        raise DataError(f"An image has shape {tuple(image.shape)}; give each as ({channels}, height, width).")


def _crop(image: Tensor, preprocess: Preprocess, size: int, random: np.random.Generator) -> Tensor:
    check_image(image, preprocess)
    height, width = image.shape[1:]
    shorter = min(height, width)
    side = round(random.uniform(min(shorter, max(size, MIN_CROP * shorter)), shorter))
    top, left = (int(random.integers(extent - side + 1)) for extent in (height, width))
    square = image[None, :, top : top + side, left : left + side]
    crop = F.interpolate(square, (size, size), mode="bilinear", antialias=True)
    if random.random() < 0.5:
        crop = crop.flip(3)
    return (normalize_batch(crop, preprocess) if image.dtype == torch.uint8 else crop.float())[0]
