"""BottleneckAttention: residual attention by the sum of two branches."""

from __future__ import annotations

import torch

from sge.nn.attention import BottleneckAttention


def test_without_logits_the_mask_is_one_half():
    module = BottleneckAttention(32).eval()
    x = torch.randn(2, 32, 6, 5)
    with torch.no_grad():
        for last in (module.expand, module.spatial[-1]):
            last.weight.zero_()
            last.bias.zero_()
        torch.testing.assert_close(module(x), 1.5 * x)


def test_the_gate_gets_the_spatial_logits_alone():
    module = BottleneckAttention(32).eval()
    x, given = torch.randn(2, 32, 6, 5), []
    module.gate.register_forward_hook(lambda _module, inputs, _mask: given.append(inputs[0]))
    with torch.no_grad():
        module(x)
        assert torch.equal(given[0], module.spatial(x))
