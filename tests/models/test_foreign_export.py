"""Networks with SGE modules of other people's code are exported with their own formula."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import sge
from sge.models.export import export_onnx
from sge.models.smooth_images import smooth_image
from sge.nn import MaskCapture
from tests.models.test_export import run
from tests.nn.foreign_modules import KINDS, Residual, network_with


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_computes_what_the_module_computes(kind: type[nn.Module], tmp_path: Path) -> None:
    network = network_with(kind())
    file = export_onnx(sge.Model("mine", network, list("abcde")), tmp_path / "mine.onnx")
    image = smooth_image((2, 3, 50, 38), 3)
    with torch.no_grad(), MaskCapture(network) as seen:
        logits = network(image)
    found = run(file, image)
    torch.testing.assert_close(found["logits"], logits, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found["mask/2"], seen.masks["2"], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found["similarity/2"], seen.similarity["2"], rtol=1e-3, atol=1e-3)
    ones = torch.ones(2, seen.masks["2"].shape[1])
    edited = run(file, image, keep__2=0 * ones.numpy(), flat__2=0 * ones.numpy())["logits"]
    with torch.no_grad():
        added = network[:2](image) if kind is Residual else torch.zeros(2, 16, 25, 19)
        empty = network[3:](added)
    torch.testing.assert_close(edited, empty, rtol=1e-3, atol=1e-4)
