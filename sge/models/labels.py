"""Labels of ImageNet's classes."""

from __future__ import annotations


def imagenet_labels() -> list[str]:
    """The thousand ImageNet classes, from torchvision's metadata; nothing is downloaded."""
    from torchvision.models import ResNet50_Weights

    return list(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
