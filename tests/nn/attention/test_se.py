"""Squeeze-and-excitation of timm, with the paper's number of hidden channels."""

from __future__ import annotations

import pytest
import torch

from sge.nn.attention import squeeze_excitation


@pytest.mark.parametrize("channels", [64, 240, 256])
def test_hidden_channels_are_a_sixteenth(channels):
    module = squeeze_excitation(channels)
    assert module.fc1.out_channels == channels // 16
    assert (
        sum(p.numel() for p in module.parameters())
        == 2 * channels * (channels // 16) + channels // 16 + channels
    )


def test_equals_equations_2_to_4():
    module = squeeze_excitation(32)
    x = torch.randn(2, 32, 6, 5)
    with torch.no_grad():
        pooled = x.mean((2, 3), keepdim=True)
        expected = x * torch.sigmoid(module.fc2(torch.relu(module.fc1(pooled))))
        torch.testing.assert_close(module(x), expected)


def test_keys():
    assert set(squeeze_excitation(32).state_dict()) == {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}
