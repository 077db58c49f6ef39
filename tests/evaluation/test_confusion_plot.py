"""Plots of confusion matrices: files that cannot be written, then every size."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from sge.errors import ChoiceError
from sge.evaluation.calibration import confusion
from sge.evaluation.confusion_plot import draw_confusion


@pytest.mark.slow
def test_an_image_that_cannot_be_written(tmp_path):
    found = confusion(torch.tensor([0, 1]), torch.tensor([1, 1]), ["a", "b"])
    (tmp_path / "file").touch()
    with pytest.raises(ChoiceError, match="cannot be written"):
        draw_confusion(found, tmp_path / "file" / "x.png", "title")
    with pytest.raises(ChoiceError, match="cannot be written"):
        draw_confusion(found, tmp_path, "title")


@pytest.mark.slow
@pytest.mark.parametrize("classes", [1, 10, 40, 120])
def test_every_size_is_drawn(tmp_path, classes):
    """Labels that look like formulas are drawn literally, and long ones are cut."""
    labels = [f"$x_{i}$ {'long ' * 20}" for i in range(classes)] + ["never seen"]
    truth = torch.arange(classes).repeat(3)
    draw_confusion(confusion(truth, truth.flip(0), labels), tmp_path / "x.png", "100 % of $y$ $")
    with Image.open(tmp_path / "x.png") as image:
        assert image.format == "PNG"
        assert 300 < image.width < 3000
        assert len(image.convert("L").getcolors()) > 10
