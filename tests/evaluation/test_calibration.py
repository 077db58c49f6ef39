"""Calibration and confusion against cases counted by hand."""

from __future__ import annotations

import sys

import pytest
import torch
from PIL import Image

from sge.errors import ChoiceError, MissingPackageError
from sge.evaluation.calibration import calibration_error, confusion, require_torchmetrics
from sge.evaluation.confusion_plot import draw_confusion


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

    Gaps: two images, sure 0.91, right 0.5: 0.41; 0.50 and wrong: 0.50; 0.30 and right: 0.70.
    """
    confidence = torch.tensor([0.90, 0.92, 0.50, 0.30])
    right = torch.tensor([True, False, False, True])
    assert calibration_error(confidence, right) == pytest.approx((2 * 0.41 + 0.50 + 0.70) / 4, abs=1e-6)


def test_full_confidence_is_in_the_last_bin():
    """In a bin with 0.96, sure 0.98 on average and right in half: 0.48. Apart it would be 0.5."""
    assert calibration_error(torch.tensor([1.0, 0.96]), torch.tensor([False, True])) == pytest.approx(0.48)
    assert calibration_error(torch.tensor([1.0, 1.0]), torch.tensor([True, True])) == pytest.approx(
        0, abs=1e-6
    )


def test_confusion_by_hand():
    """Classes 3 and 1 of four; one image of class 3 is taken for class 1, one for class 0, which no image has."""
    found = confusion(torch.tensor([3, 3, 3, 1]), torch.tensor([3, 1, 0, 1]), ["a", "b", "c", "d"])
    assert (found.indices, found.labels, found.columns) == ([1, 3], ["b", "d"], ["b", "d", "another class"])
    assert found.counts == [[1, 0, 0], [1, 1, 1]]


def test_confusion_of_all_classes_has_no_other():
    found = confusion(torch.tensor([0, 1, 1]), torch.tensor([1, 1, 0]), ["a", "b"])
    assert (found.columns, found.counts) == (["a", "b"], [[0, 1], [1, 1]])
    alone = confusion(torch.tensor([0, 0]), torch.tensor([0, 0]), ["a"])
    assert (alone.columns, alone.counts) == (["a"], [[2]])


def test_a_image_that_cannot_be_written(tmp_path):
    found = confusion(torch.tensor([0, 1]), torch.tensor([1, 1]), ["a", "b"])
    with pytest.raises(ChoiceError, match="cannot be written"):
        draw_confusion(found, tmp_path / "gone" / "x.png", "title")
    with pytest.raises(ChoiceError, match="cannot be written"):
        draw_confusion(found, tmp_path, "title")


@pytest.mark.parametrize("classes", [1, 10, 40, 120])
def test_every_size_is_drawn(tmp_path, classes):
    """Labels that would be formulas or fill the page are drawn as they are, cut short."""
    labels = [f"$x_{i}$ {'long ' * 20}" for i in range(classes)] + ["never seen"]
    truth = torch.arange(classes).repeat(3)
    draw_confusion(confusion(truth, truth.flip(0), labels), tmp_path / "x.png", "100 % of $y$ $")
    with Image.open(tmp_path / "x.png") as image:
        assert image.format == "PNG"
        assert 300 < image.width < 3000
        assert len(image.convert("L").getcolors()) > 10
