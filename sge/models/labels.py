"""The labels of ImageNet's classes."""

from __future__ import annotations


def imagenet_labels() -> list[str]:
    """Returns the 1000 ImageNet labels in the order of the logits, from torchvision's metadata, without a download."""
    from torchvision.models import ResNet50_Weights

    return list(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
