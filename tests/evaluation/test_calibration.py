"""Calibration and confusion: without torchmetrics first, then cases counted by hand."""

from __future__ import annotations

import sys

import pytest
import torch

from sge.errors import MissingPackageError
from sge.evaluation.calibration import calibration_error, confusion, require_torchmetrics


def test_torchmetrics_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    for call in (
        require_torchmetrics,
        lambda: calibration_error(torch.tensor([0.5]), torch.tensor([True])),
        lambda: confusion(torch.tensor([0]), torch.tensor([0]), ["a", "b"]),
    ):
        with pytest.raises(MissingPackageError, match=r"pip install 'sge-lens\[train\]'"):
            call()


def test_calibration_by_hand():
    """Bins of 1/15: 0.90 and 0.92 share the fourteenth, the others are alone.

    Gaps: two images of confidence 0.91 and accuracy 0.5: 0.41; 0.50 and wrong: 0.50; 0.30 and right: 0.70.
    """
    confidence = torch.tensor([0.90, 0.92, 0.50, 0.30])
    right = torch.tensor([True, False, False, True])
    assert calibration_error(confidence, right) == pytest.approx((2 * 0.41 + 0.50 + 0.70) / 4, abs=1e-6)


def test_full_confidence_is_in_the_last_bin():
    """In one bin with 0.96, the mean confidence is 0.98 and the accuracy 0.5: 0.48. In two bins it would be 0.5."""
    assert calibration_error(torch.tensor([1.0, 0.96]), torch.tensor([False, True])) == pytest.approx(0.48)
    assert calibration_error(torch.tensor([1.0, 1.0]), torch.tensor([True, True])) == pytest.approx(
        0, abs=1e-6
    )


def test_confusion_by_hand():
    """Classes 3 and 1 of four; an image of class 3 is predicted as class 1, another as class 0, which has no image."""
    found = confusion(torch.tensor([3, 3, 3, 1]), torch.tensor([3, 1, 0, 1]), ["a", "b", "c", "d"])
    assert (found.indices, found.labels, found.columns) == ([1, 3], ["b", "d"], ["b", "d", "another class"])
    assert found.counts == [[1, 0, 0], [1, 1, 1]]


def test_confusion_of_all_classes_has_no_other():
    found = confusion(torch.tensor([0, 1, 1]), torch.tensor([1, 1, 0]), ["a", "b"])
    assert (found.columns, found.counts) == (["a", "b"], [[0, 1], [1, 1]])
    alone = confusion(torch.tensor([0, 0]), torch.tensor([0, 0]), ["a"])
    assert (alone.columns, alone.counts) == (["a"], [[2]])
