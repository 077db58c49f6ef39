"""SelectiveKernel: a softmax over two branches."""

from __future__ import annotations

import pytest
import torch

from sge.nn.attention import SelectiveKernel


@pytest.mark.parametrize("stride", [1, 2])
def test_without_logits_the_branches_are_averaged(stride):
    module = SelectiveKernel(64, stride).eval()
    x = torch.randn(2, 64, 8, 6)
    with torch.no_grad():
        module.choose.weight.zero_()
        out = module(x)
        torch.testing.assert_close(out, (module.near(x) + module.far(x)) / 2)
    assert out.shape == (2, 64, 8 // stride, 6 // stride)
    assert bool((out >= 0).all())
