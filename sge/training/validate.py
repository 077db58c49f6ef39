"""Accuracy on the dev images during a training, computed as ``sge eval`` computes it."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from sge.datasets import normalize_batch
from sge.devices import autocast
from sge.errors import DataError, ImageError, TrainingError
from sge.images import Preprocess
from sge.nn import eval_mode
from sge.text import printable
from sge.training.dataset import TrainingSet

log = logging.getLogger(__name__)

BATCH = 64
UNREADABLE = -1
"""Stands for the prediction of an image that cannot be read."""


def predictions(
    network: nn.Module, data: TrainingSet, preprocess: Preprocess, device: torch.device, precision: str
) -> Tensor:
    """Class number that the network predicts for each image.

    Args:
        network: On ``device``; its training mode is restored afterwards.
        data: Opened with ``evaluate_as=preprocess``, so that its images are the evaluation crops.
        preprocess: Gives the normalization.
        device: Where the network is.
        precision: Passed to ``sge.devices.autocast``.

    Returns:
        (N,), int64; ``UNREADABLE`` for an image that cannot be read, which is logged.
    """
    found = torch.full((len(data.targets),), UNREADABLE)
    with eval_mode(network), torch.no_grad(), autocast(device, precision):
        for start in range(0, len(found), BATCH):
            crops = _readable(data, range(start, min(start + BATCH, len(found))))
            if crops:
                batch = normalize_batch(torch.stack(list(crops.values())).to(device), preprocess)
                found[list(crops)] = network(batch).argmax(1).cpu()
    return found


def accuracy(
    network: nn.Module, data: TrainingSet, preprocess: Preprocess, device: torch.device, precision: str
) -> float:
    """Top-1 accuracy on the readable images, 0 to 1; the arguments are those of ``predictions``.

    Raises:
        TrainingError: no image of a class can be read any more.
    """
    found = predictions(network, data, preprocess, device, precision)
    readable = {target for target, one in zip(data.targets, found.tolist(), strict=True) if one != UNREADABLE}
    if vanished := sorted(set(data.targets) - readable):
        names = ", ".join(data.classes[number] for number in vanished)
        raise TrainingError(
            f"No dev image of {names} can be read any more. Check the disk and the folder; the same command then "
            "resumes the training."
        )
    right = int((found == torch.tensor(data.targets)).sum())
    return right / max(int((found != UNREADABLE).sum()), 1)


def _readable(data: TrainingSet, numbers: range) -> dict[int, Tensor]:
    crops = {}
    for number in numbers:
        try:
            crops[number] = data.images[number]
        except (ImageError, DataError) as error:
            if number not in data.lost:
                name = printable(data.images.names[number])
                log.warning("%s is left out of the dev accuracy: %s", name, error)
            data.lost.add(number)
    return crops
