"""Captures and edits of other people's SGE modules in networks that are copied, traced, compiled or tuned."""

from __future__ import annotations

import copy

import torch
from torch import nn

from sge.nn import FoldedViews, MaskCapture, edit_masks, fast_format
from sge.training import GateTuningConfig, tune_gates
from sge.training.gate_tuning import trainable_parameters
from tests.nn.foreign_modules import ByEinsum, ByViews, network_with
from tests.nn.networks import hooks


def test_copies_and_traces_made_inside_a_capture_are_free_of_it() -> None:
    network = network_with(ByViews(8))
    x = torch.randn(1, 3, 18, 14)
    with torch.no_grad():
        expected = network(x)
        with edit_masks(network, {"2": torch.zeros_like}):
            copied, traced = copy.deepcopy(network), torch.jit.trace(network, x)
        assert hooks(copied) == 0
        torch.testing.assert_close(copied(x), expected)
        torch.testing.assert_close(traced(x), expected)


def test_compiled_networks_named_inputs_and_inference_mode() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = network_with(ByViews(8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body[3:](self.body[2](x=self.body[:2](x)))

    network = Named()
    x = torch.randn(1, 3, 18, 14)
    compiled = torch.compile(network, backend="eager")
    with (
        torch.inference_mode(),
        edit_masks(compiled, {"body": torch.zeros_like}),
        MaskCapture(compiled) as seen,
    ):
        out = compiled(x)
        torch.testing.assert_close(out, network.body[3:](torch.zeros(1, 16, 9, 7)))
    assert not bool(seen.masks["body"].any())


def test_gate_tuning_finds_the_parameters_under_their_own_names() -> None:
    network = network_with(ByEinsum())
    found = trainable_parameters(network)
    assert {kind: list(keys) for kind, keys in found.items()} == {
        "weight": ["2.gamma"],
        "bias": ["2.beta"],
        "norm": ["1.weight", "1.bias"],
    }


def test_modules_that_use_view_are_run_in_the_format_that_they_take() -> None:
    network = network_with(ByViews(8))
    network[0] = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 16, 3, 1, 1, groups=16))
    assert fast_format(network) is torch.contiguous_format
    assert fast_format(network[:2]) is torch.channels_last
    network.eval()
    x = torch.randn(1, 3, 18, 14)
    with torch.no_grad(), FoldedViews(network).view() as view:  # Depthwise layers prefer channels_last.
        torch.testing.assert_close(view(x), network(x))
    config = GateTuningConfig(steps=1, batch=2, sizes=(32,))
    tune_gates(network, [torch.rand(3, 40, 40)] * 2, config)
    assert bool(network[2].weight.any())
