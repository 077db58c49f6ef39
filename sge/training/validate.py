"""Accuracy on the dev images while a training runs: centre crops, many at a time."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as TF

from sge.devices import autocast
from sge.errors import ImageError
from sge.images.framing import Preprocess
from sge.nn.modes import eval_mode
from sge.training.dataset import TrainingSet

log = logging.getLogger(__name__)

BATCH = 64


def normalised(images: Tensor, preprocess: Preprocess) -> Tensor:
    """(N, 3, h, w) uint8 to float32, channels last."""
    mean, std = (
        255 * torch.tensor(three, device=images.device).view(3, 1, 1)
        for three in (preprocess.mean, preprocess.std)
    )
    values = (images.float() - mean) / std
    return values.contiguous(memory_format=torch.channels_last)


def center_crop(image: Tensor, preprocess: Preprocess) -> Tensor:
    """(3, H, W) uint8 to the middle square of side ``size`` after the shorter side became ``resize``."""
    shrunk = TF.resize(image, [preprocess.resize], antialias=True)
    crop: Tensor = TF.center_crop(shrunk, [preprocess.size, preprocess.size])
    return crop


def accuracy(
    network: nn.Module,
    data: TrainingSet,
    preprocess: Preprocess,
    device: torch.device,
    precision: str,
) -> float:
    """Top-1 as a fraction.

    Args:
        network: On ``device``; its mode is put back.
        data: Labelled images.
        preprocess: Sizes and normalisation.
        device: Where to.
        precision: As ``sge.devices.autocast`` takes it.
    """
    right = seen = 0
    targets = torch.tensor(data.targets)
    with eval_mode(network), torch.inference_mode(), autocast(device, precision):
        for start in range(0, len(targets), BATCH):
            numbers, crops = _crops(data, range(start, min(start + BATCH, len(targets))), preprocess)
            if numbers:
                logits = network(normalised(torch.stack(crops).to(device), preprocess))
                right += int((logits.argmax(1).cpu() == targets[numbers]).sum())
                seen += len(numbers)
    return right / max(seen, 1)


def _crops(data: TrainingSet, numbers: range, preprocess: Preprocess) -> tuple[list[int], list[Tensor]]:
    """Of those that can be read."""
    crops = {}
    for i in numbers:
        try:
            crops[i] = center_crop(data.images[i], preprocess)
        except ImageError as error:
            log.warning("%s counts nowhere: %s", data.images.names[i], error)
    return list(crops), list(crops.values())
