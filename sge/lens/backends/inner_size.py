"""The size at which a network that resizes and pads its images computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class InnerSize:
    """Of the images inside of the network."""

    width: int
    """In pixels, with the padding."""
    extent: tuple[float, float] = (1.0, 1.0)
    """Width and height with the padding, as fractions of those without it."""


def inner_size(resized: Any, images: Tensor) -> InnerSize:
    """Reads what torchvision's ``GeneralizedRCNNTransform`` returned; of anything else, the size of the images.

    It pads at the right and lower edges, so that all images of a batch have one size.

    Args:
        resized: What the child returned: images with ``tensors`` (N, C, H, W) and ``image_sizes`` (h, w) before the padding,
            and the targets.
        images: (N, C, h, w), what the network was called with.
    """
    found = resized[0] if isinstance(resized, list | tuple) and resized else resized
    tensors, sizes = getattr(found, "tensors", None), getattr(found, "image_sizes", None)
    if not isinstance(tensors, Tensor) or tensors.dim() != 4 or not sizes:
        return InnerSize(images.shape[3])
    # Images of one shape are resized alike.
    (height, width), (down, across) = sizes[0], tensors.shape[2:]
    return InnerSize(across, (across / width, down / height))
