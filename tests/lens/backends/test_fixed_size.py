"""Networks that take one size of images, as kept files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import sge
from tests.conftest import fill
from tests.drawn_images import noise


class Flat(nn.Module):
    """Its linear layer fits one size of images alone."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 8, 8)
        self.sge = sge.SpatialGroupEnhance(8, 4)
        self.fc = nn.Linear(8 * height * width // 64, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.sge(self.conv(x)).flatten(1))


@pytest.mark.parametrize("fixed", [(64, 96), (96, 64)])
def test_a_network_of_one_rectangular_size(
    fixed: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses every other size, also the square by which a kept file might be compared with the network."""
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path))
    preprocess = sge.Preprocess(size=64, resize=64, fixed=fixed)
    model = sge.Model("flat", fill(Flat(*fixed)), list("abcde"), preprocess=preprocess)
    image = noise(120, 90)
    expected = sge.Lens(model, "cpu", backend="torch").predict(image)
    for _ in range(2):  # The second lens reads the kept file.
        found = sge.Lens(model, "cpu", backend="onnxruntime").predict(image)
        assert [one.label for one in found] == [one.label for one in expected]
        assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-4)
