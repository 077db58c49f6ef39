"""The kernels of the SGE module where there is no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.nn.kernels import fusion
from tests.conftest import ROOT
from tests.nn.test_module import active


def test_the_kernel_stays_away_from_the_cpu():
    module = active(8, 4)
    assert not fusion.may_fuse(torch.randn(1, 8, 3, 3), module.weight, 4)


def test_the_kernel_equals_the_module_under_the_interpreter():
    pytest.importorskip("triton", reason="Triton is not installed; CPU builds of torch do not bring it.")
    path = Path(__file__).with_name("interpreted.py")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(path)]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@given(
    images=st.integers(1, 300),
    groups=st.integers(1, 64),
    size=st.integers(1, 256),
    positions=st.integers(1, 40000),
    item=st.sampled_from([2, 4]),
    last=st.booleans(),
    backward=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_tiles_cover_their_maps_and_fit(images, groups, size, positions, item, last, backward):
    pytest.importorskip("triton", reason="Triton is not installed; CPU builds of torch do not bring it.")
    from sge.nn.kernels import launch

    tile = launch.tiling(images, groups, size, positions, item, last, backward)
    sizes = (tile.positions, tile.groups, tile.channels, tile.warps)
    assert all(number & (number - 1) == 0 for number in sizes)
    assert size <= tile.channels < 2 * size
    assert tile.groups < 2 * groups
    assert tile.positions >= positions or not tile.resident
    assert tile.positions * tile.groups * tile.channels <= 16384
    assert 4 <= tile.warps <= 16
