"""What the gates of a network do: the effect of flat masks, the masks' variation, and single groups as detectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sge.arrays import Array
from sge.errors import DataError, ShapeError
from sge.images import Frame
from sge.nn import MaskCapture, edit_masks, eval_mode, sge_blocks


@contextmanager
def flat_masks(network: nn.Module) -> Iterator[None]:
    """Context manager in which every SGE mask is replaced by its mean over space, in each image and group.

    The difference in accuracy is what the positions that the gates choose contribute. Only passes of the thread that
    opened it are changed.

    Args:
        network: Its SGE modules are restored on leaving, also after an exception.
    """
    with edit_masks(network, dict.fromkeys(sge_blocks(network), flatten_mask)):
        yield


def median_mask_std(std: Array) -> float:
    """The block's figure of ``mask_std``: the lower median over its groups, as ``torch.median`` computes it.

    Args:
        std: (G,); for an even number of groups the smaller of the two middle values is taken.
    """
    return float(torch.from_numpy(std).median())


def mask_std(network: nn.Module, frames: Iterable[Frame]) -> dict[str, Array]:
    """Standard deviation of each group's mask over space, averaged over images.

    Args:
        network: With SGE; it is evaluated in eval mode on the device it is on.
        frames: Each becomes one forward pass.

    Returns:
        Block name to (G,), float32, unbiased; 0 means that the mask is constant.

    Raises:
        CaptureError: the network has no masks.
        DataError: there are no frames.
    """
    like = next(network.parameters(), torch.empty(0))
    sums: dict[str, Tensor] = {}
    count = 0
    with eval_mode(network), torch.no_grad():
        for image in frames:
            with MaskCapture(network) as captured:
                network(torch.from_numpy(image.array)[None].to(like))
            for name, mask in captured.masks.items():
                sums[name] = sums.get(name, torch.zeros(())) + mask.float().std((2, 3))[0].cpu()
            count += 1
    if not count:
        raise DataError("There is no image to measure the masks on. Give some.")
    return {name: (total / count).numpy() for name, total in sums.items()}


@dataclass(frozen=True)
class LeaveOneOut:
    """The best single group for each image, chosen on all other images."""

    groups: npt.NDArray[np.intp]
    """(N,), number of the group that has most hits on the other images; the first of several."""
    distances: npt.NDArray[np.floating[Any]]
    """(N,), distance of that group on this image."""


def best_single_group(distances: npt.NDArray[np.floating[Any]], within: float) -> LeaveOneOut:
    """Chooses the best single group by leave-one-out, so that no image takes part in the choice it is judged by.

    Args:
        distances: (N, G), from the peak of each group's map to the nearest labelled point.
        within: Largest distance of a hit (exclusive), in the same unit.

    Raises:
        ShapeError: fewer than two images, or not two axes.
    """
    if distances.ndim != 2 or len(distances) < 2:
        raise ShapeError(
            f"Distances have shape {distances.shape}; give (images, groups), of two images at least."
        )
    hits = distances < within
    groups = (hits.sum(0, keepdims=True) - hits).argmax(1)
    return LeaveOneOut(groups, distances[np.arange(len(distances)), groups])


def flatten_mask(mask: Tensor) -> Tensor:
    """The mean over space of each image and group at every position, (N, G, h, w)."""
    return mask.mean((2, 3), keepdim=True).expand_as(mask)
