"""What a network says of itself: the input that it takes, and the names of its classes.

Networks are recognized by what they have, so that nothing but torch is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class OwnInput:
    """The input of a network that takes pixels of 0 to 1."""

    size: int
    """Shorter side in pixels."""
    normalizes: bool
    """Whether the network subtracts a mean and divides by a standard deviation itself."""


def wrapped_network(network: object) -> nn.Module | None:
    """The network inside of an object whose call does more than one pass, such as ``ultralytics.YOLO``; None otherwise."""
    inner = getattr(network, "model", None)
    if (
        not isinstance(network, nn.Module)
        or not isinstance(inner, nn.Module)
        or hasattr(network, "_orig_mod")
    ):
        return None
    return inner if type(network).__call__ is not nn.Module.__call__ else None


def own_input(network: nn.Module) -> OwnInput | None:
    """The input that a network states; None for one that states nothing.

    torchvision's detectors resize and normalize in a child module; ultralytics' networks take pixels of 0 to 1.
    """
    if (path := resizing_path(network)) is not None:
        resizing: Any = network.get_submodule(path)
        return OwnInput(_side(resizing), True)
    if own_labels(network) is not None and isinstance(getattr(network, "stride", None), Tensor):
        return OwnInput(640, False)
    return None


def only_input(network: nn.Module) -> tuple[int, int] | None:
    """Height and width of the only input that a network takes; None where it takes others or states nothing.

    Vision transformers of timm and torchvision have one position embedding for each patch, and refuse other sizes.
    """
    patches: Any = getattr(network, "patch_embed", None)
    size: Any = getattr(patches, "img_size", None) if getattr(patches, "strict_img_size", False) else None
    if size is None and all(hasattr(network, name) for name in ("image_size", "patch_size", "encoder")):
        size = network.image_size
    sides = (size, size) if isinstance(size, int) else size
    if (
        not isinstance(sides, tuple | list)
        or len(sides) != 2
        or not all(isinstance(one, int) for one in sides)
    ):
        return None
    return sides[0], sides[1]


def resizing_path(network: nn.Module) -> str | None:
    """Path of the child that resizes, normalizes and pads the images, as in torchvision's detectors; None without one."""
    wanted = ("image_mean", "image_std", "min_size", "max_size", "batch_images")
    paths: list[str] = [
        path for path, module in network.named_modules() if all(hasattr(module, name) for name in wanted)
    ]
    return next(filter(None, paths), None)


def object_classes(network: nn.Module) -> int | None:
    """Number of classes of one of torchvision's detectors, with the background; None where it is not stated."""
    if resizing_path(network) is None:
        return None
    for module in network.modules():
        if isinstance(scores := getattr(module, "cls_score", None), nn.Linear):
            return scores.out_features
        if hasattr(module, "cls_logits") and isinstance(classes := getattr(module, "num_classes", None), int):
            return classes
    return None


def own_labels(network: nn.Module) -> list[str] | None:
    """Labels that a network keeps as ``names``, as ultralytics' do: a list, or a dict of the numbers from 0; else None."""
    names = getattr(network, "names", None)
    if isinstance(names, dict) and list(names) == list(range(len(names))):
        names = list(names.values())
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return None
    return list(names)


def _side(resizing: Any) -> int:
    if isinstance(fixed := getattr(resizing, "fixed_size", None), tuple | list):
        return int(min(fixed))
    sides = resizing.min_size
    return int(sides[-1] if isinstance(sides, tuple | list) else sides)
