"""Batches of inputs that have one shape, and their normalization on a device."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from sge.images import LUMA, Preprocess, pixel_statistics

T = TypeVar("T")

MAX_WAITING_BATCHES = 8
"""Inputs that wait for others of their shape number fewer than this many batches, which bounds memory."""


def batches_of_one_shape(
    inputs: Iterable[T], shape: Callable[[T], Hashable], batch: int
) -> Iterator[list[T]]:
    """Groups inputs by shape, at most ``batch`` in a group.

    When too many inputs wait for others of their shape, the largest incomplete group is yielded.

    Args:
        inputs: Any number of inputs; they are read as they are needed.
        shape: Gives the shape of an input.
        batch: Largest number of inputs in a group.
    """
    waiting: dict[Hashable, list[T]] = {}
    for item in inputs:
        key = shape(item)
        group = waiting.setdefault(key, [])
        group.append(item)
        if len(group) == batch:
            yield waiting.pop(key)
        elif sum(map(len, waiting.values())) >= MAX_WAITING_BATCHES * batch:
            yield waiting.pop(max(waiting, key=lambda key: len(waiting[key])))
    yield from waiting.values()


def normalize_batch(images: Tensor, preprocess: Preprocess) -> Tensor:
    """``sge.images.framing.normalize`` for tensors on any device.

    Args:
        images: (N, 3, h, w) of pixel values 0 to 255, uint8 or floating.
        preprocess: Gives mean and standard deviation.

    Returns:
        The same shape, or (N, 1, h, w) if the network takes one channel; float32, channels last.
    """
    images = images.float()
    if preprocess.channels == 1:
        images = torch.einsum("nchw,c->nhw", images, torch.from_numpy(LUMA).to(images.device))[:, None]
    mean, std = (torch.from_numpy(values).to(images.device) for values in pixel_statistics(preprocess))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)
