"""GlobalContext by its formula."""

from __future__ import annotations

import torch

from sge.nn.attention import GlobalContext


def test_parameters_by_the_formula():
    """C + 1 for the map; C*h + h, 2 h, h*C + C for the transform, h = C / 16."""
    channels, hidden = 256, 16
    expected = channels + 1 + channels * hidden + hidden + 2 * hidden + hidden * channels + channels
    assert sum(p.numel() for p in GlobalContext(channels).parameters()) == expected


def test_adds_the_weighted_mean():
    module = GlobalContext(32)
    x = torch.randn(2, 32, 5, 7)
    with torch.no_grad():
        module.attend.weight.zero_()
        expected = x + module.transform(x.mean((2, 3), keepdim=True))
        assert torch.allclose(module(x), expected, atol=1e-5)
