"""The labels of classes: ImageNet's, and those of a model where they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sge.errors import ChoiceError

if TYPE_CHECKING:
    from sge.models.exported_model import ExportedModel
    from sge.models.model import Model


def imagenet_labels() -> list[str]:
    """Returns the 1000 ImageNet labels in the order of the logits, from torchvision's metadata, without a download."""
    from torchvision.models import ResNet50_Weights

    return list(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def required_labels(model: Model | ExportedModel) -> list[str]:
    """Labels of a model that must have some.

    Raises:
        ChoiceError: it has none.
    """
    if model.labels is None:
        raise ChoiceError(
            f"{model.name} has no labels, so its classes have no names. Give the Model a label for each class."
        )
    return list(model.labels)
