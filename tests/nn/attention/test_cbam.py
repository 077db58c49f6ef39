"""ConvolutionalBlockAttention: the channel mask comes before the spatial mask."""

from __future__ import annotations

import torch

from sge.nn.attention import ConvolutionalBlockAttention


def test_gates_channels_before_positions():
    module = ConvolutionalBlockAttention(32).eval()
    x = torch.randn(2, 32, 6, 5)
    with torch.no_grad():
        module.spatial.weight.zero_()
        both = sum(
            module.expand(torch.relu(module.reduce(pooled)))
            for pooled in (x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True))
        )
        assert torch.allclose(module(x), 0.5 * x * torch.sigmoid(both), atol=1e-5)
