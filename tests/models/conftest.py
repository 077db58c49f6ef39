"""Fixtures of the tests of models: a model folder of their own, and a small file that can be imported."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sge.nn import SGE_RESNETS
from tests.conftest import fill
from tests.weights import save


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """The user's model folder of this test."""
    folder = tmp_path / "models"
    monkeypatch.setenv("SGE_MODEL_DIR", str(folder))
    return folder


@pytest.fixture(scope="package")
def small() -> torch.nn.Module:
    """An SGE-ResNet-18 of four classes, filled by rule."""
    return fill(SGE_RESNETS["sge_resnet18"](num_classes=4))


@pytest.fixture(scope="package")
def small_file(small, tmp_path_factory) -> Path:
    """A checkpoint of ``small``."""
    return save(tmp_path_factory.mktemp("small") / "mine.pth", small.state_dict())
