"""What every test may use: the shared folder where it is there, and networks filled by rule."""

from __future__ import annotations

import math
import os
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
# As the services of the tests: sums of another number of threads differ in their last bits. Two halves of the tests
# run beside each other.
torch.set_num_threads(1)
# ultralytics, where it is installed: it asks no server, installs nothing and leaves the user's settings alone.
os.environ.setdefault(
    "YOLO_CONFIG_DIR", str(Path(tempfile.gettempdir()) / f"sge-lens-tests-yolo-{os.getuid()}")
)
for name, value in {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}.items():
    os.environ.setdefault(name, value)

REPLACED = [(Image, "open", Image.open), (torch, "save", torch.save)]
"""Functions in whose place ultralytics puts its own."""


def pytest_runtest_setup() -> None:
    for owner, name, function in REPLACED:
        setattr(owner, name, function)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference arrays and images beside the checkout; skips where it is not."""
    folder = Path(os.environ.get("SGE_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("no ../shared here (reference arrays and images; set SGE_SHARED to name it)")
    return folder


def filled(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values for a state-dict entry by rule, seeded by the key: whole networks compare without weights."""
    rs = np.random.RandomState(zlib.crc32(key.encode()))
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if key.endswith(".sge.weight"):
        values = rs.standard_normal(shape)
    elif key.endswith(".sge.bias"):
        values = 0.5 + 0.5 * rs.standard_normal(shape)
    elif leaf == "running_mean":
        values = 0.1 * rs.standard_normal(shape)
    elif leaf == "running_var":
        values = 0.5 + rs.random_sample(shape)
    elif len(shape) == 4:
        values = math.sqrt(2.0 / math.prod(shape[1:])) * rs.standard_normal(shape)
    elif len(shape) == 2:
        values = math.sqrt(1.0 / shape[1]) * rs.standard_normal(shape)
    elif leaf == "weight":
        scale = (0.2, 0.2) if key.endswith(".bn3.weight") else (0.5, 1.0)
        values = scale[0] + scale[1] * rs.random_sample(shape)
    else:
        values = 0.1 * rs.standard_normal(shape)
    return np.asarray(values, np.float32)


def fill(network: nn.Module) -> nn.Module:
    """The network in eval mode with every parameter and statistic by rule: norms are never trivial."""
    state = {key: torch.from_numpy(filled(key, tuple(t.shape))) for key, t in network.state_dict().items()}
    network.load_state_dict(state)
    return network.eval()


@pytest.fixture
def sge_command():
    """Calls ``sge ARGUMENTS`` in this process; the result has exit_code, stdout and stderr."""
    from typer.testing import CliRunner

    from sge.__main__ import app

    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])
