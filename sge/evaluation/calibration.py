"""Calibration error and confusion, counted by torchmetrics, which comes with the extra ``train``."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sge.errors import MissingPackageError

BINS = 15
OTHER = "another class"


@dataclass(frozen=True)
class Confusion:
    """Which answers images of each class got."""

    indices: list[int]
    """Numbers of the classes in the model: one a row."""
    labels: list[str]
    """Their labels."""
    columns: list[str]
    """The same labels; then ``another class`` where the model has more classes than the images."""
    counts: list[list[int]]
    """[row of the right class][column of the answer], in images."""


def require_torchmetrics() -> None:
    """Refuses where torchmetrics is missing.

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
    """Expected calibration error: the mean distance of sureness from accuracy over 15 even bins of sureness.

    Args:
        confidence: (N,), probability of the first answer, 0 to 1.
        right: (N,), whether that answer was right.

    Raises:
        MissingPackageError: torchmetrics is not installed.
    """
    require_torchmetrics()
    from torchmetrics.functional.classification import binary_calibration_error

    # torchmetrics gives a confidence of exactly 1 a bin of its own, beside the fifteenth where it belongs.
    below_one = confidence.double().clamp(0, 1 - 1e-9)
    return float(binary_calibration_error(below_one, right.long(), n_bins=BINS, norm="l1"))


def confusion(truth: Tensor, first: Tensor, labels: list[str]) -> Confusion:
    """Counts answers by right class.

    Args:
        truth: (N,), numbers of the right classes.
        first: (N,), numbers of the first answers.
        labels: Of all classes of the model.

    Raises:
        MissingPackageError: torchmetrics is not installed.
    """
    require_torchmetrics()
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    own = sorted(set(truth.tolist()))
    other = len(own) < len(labels)
    place = torch.full((len(labels),), len(own))
    place[torch.tensor(own)] = torch.arange(len(own))
    # torchmetrics asks for two classes at least.
    matrix = multiclass_confusion_matrix(place[first], place[truth], num_classes=max(2, len(own) + other))
    names = [labels[index] for index in own]
    counts = matrix[: len(own), : len(own) + other].tolist()
    return Confusion(own, names, [*names, OTHER] if other else names, counts)
