"""The contenders compute the same and can be run."""

from __future__ import annotations

import pytest
import torch

from sge.bench.contenders import StepByStep, networks, stages
from sge.lens.lens import Lens
from sge.models.registry import load_model
from sge.nn import SpatialGroupEnhance


def test_step_by_step_equals_the_module():
    module = SpatialGroupEnhance(32, 8)
    torch.nn.init.normal_(module.weight)
    x = torch.randn(2, 32, 7, 5)
    torch.testing.assert_close(StepByStep(module)(x), module(x), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_every_network_runs_in_both_layouts():
    for channels_last in (False, True):
        plain, ours, steps, read = networks(1, channels_last).values()
        for run in (plain, ours, steps):
            assert run().shape == (1, 1000)
        read()


@pytest.mark.slow
def test_every_stage_runs():
    contenders = stages(Lens(load_model("sge_efficientnet_lite0")), side=96)
    assert len(contenders) == 7
    for run in contenders.values():
        run()
