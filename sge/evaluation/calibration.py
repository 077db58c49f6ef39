"""Calibration error and confusion matrix, computed by torchmetrics, which the extra ``train`` installs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sge.errors import MissingPackageError

BINS = 15
"""Number of equal bins of confidence."""
OTHER = "another class"
"""Name of the column that holds predictions of classes without images."""


@dataclass(frozen=True)
class Confusion:
    """How often each class of the images was predicted as which class."""

    indices: list[int]
    """Class number in the model of each row."""
    labels: list[str]
    """Label of each row."""
    columns: list[str]
    """The labels of the rows, followed by ``OTHER`` if the model has more classes than the images."""
    counts: list[list[int]]
    """Number of images, by row of the right class and column of the predicted class."""


def require_torchmetrics() -> None:
    """Checks that torchmetrics is installed.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import torchmetrics  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            "Calibration and confusion need torchmetrics: pip install 'sge-lens[train]'."
        ) from error


def calibration_error(confidence: Tensor, right: Tensor) -> float:
    """Expected calibration error (Guo et al., ICML 2017) with 15 equal bins of confidence.

    Within each bin, the mean confidence is compared with the accuracy; the absolute differences are averaged, weighted
    by the number of images in a bin.

    Args:
        confidence: (N,), probability of the predicted class, 0 to 1.
        right: (N,), bool, whether the prediction is right.

    Raises:
        MissingPackageError: torchmetrics is not installed.
    """
    require_torchmetrics()
    from torchmetrics.functional.classification import binary_calibration_error

    # torchmetrics puts a confidence of exactly 1 into a sixteenth bin.
    below_one = confidence.double().clamp(0, 1 - 1e-9)
    return float(binary_calibration_error(below_one, right.long(), n_bins=BINS, norm="l1"))


def confusion(truth: Tensor, predicted: Tensor, labels: list[str]) -> Confusion:
    """Counts predictions by right class.

    Args:
        truth: (N,), int64, numbers of the right classes.
        predicted: (N,), int64, numbers of the predicted classes.
        labels: Labels of all classes of the model.

    Raises:
        MissingPackageError: torchmetrics is not installed.
    """
    require_torchmetrics()
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    own = sorted(set(truth.tolist()))
    other = len(own) < len(labels)
    column = torch.full((len(labels),), len(own))
    column[torch.tensor(own)] = torch.arange(len(own))
    # torchmetrics requires at least two classes.
    matrix = multiclass_confusion_matrix(
        column[predicted], column[truth], num_classes=max(2, len(own) + other)
    )
    names = [labels[index] for index in own]
    counts = matrix[: len(own), : len(own) + other].tolist()
    return Confusion(own, names, [*names, OTHER] if other else names, counts)
