"""Copies and pickles of a network made inside a capture have no hooks and give nothing to it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import nn

from sge.nn import insert_sge
from sge.nn.capture import Capture
from sge.nn.mask_capture import MaskCapture
from sge.nn.resnet import build_resnet
from tests.nn.networks import COPIES, hooks, randomize_gates, small


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_has_no_hooks_and_gives_nothing(how: str) -> None:
    network, x = small(), torch.randn(1, 3, 8, 8)
    with torch.no_grad(), MaskCapture(network, energy=True) as seen:
        network(x)
        other = COPIES[how](network)
        assert hooks(other) == 0
        before = seen.masks["1"].clone()
        out = other(torch.zeros(2, 3, 8, 8))
        assert torch.equal(seen.masks["1"], before)
        assert hooks(network) == 2
    assert torch.equal(network(torch.zeros(2, 3, 8, 8)), out)


@pytest.mark.parametrize(
    "build",
    [
        lambda: insert_sge(torchvision.models.resnet18(num_classes=5), 16),
        lambda: build_resnet(18, "cbam", num_classes=5),
        lambda: build_resnet(18, "bam", num_classes=5),
    ],
    ids=["sge", "cbam", "bam"],
)
def test_whole_networks_of_each_kind(build: Callable[[], nn.Module]) -> None:
    network = randomize_gates(build())
    with MaskCapture(network):
        assert hooks(network) > 0
        assert hooks(copy.deepcopy(network)) == 0


@pytest.mark.parametrize("how", COPIES)
def test_hooks_on_other_modules_leave_the_copy_at_its_first_call(how: str) -> None:
    network, x = small(nn.ReLU()), torch.randn(1, 3, 8, 8)
    with torch.no_grad(), Capture(network, inputs=["2"], outputs=["0"]) as seen:
        network(x)
        other = COPIES[how](network)
        before = seen.outputs["0"].clone()
        other(torch.zeros(2, 3, 8, 8))
        assert torch.equal(seen.outputs["0"], before)
        assert seen.calls == {"2": 1, "0": 1}
        assert hooks(other) == 0


def test_hooks_of_others_are_copied() -> None:
    network = small()
    network[1].register_forward_hook(print)
    with MaskCapture(network):
        assert list(copy.deepcopy(network)[1]._forward_hooks.values()) == [print]


def test_a_shallow_copy_gives_nothing() -> None:
    network, x = small(), torch.randn(1, 3, 8, 8)
    with torch.no_grad(), MaskCapture(network) as seen:
        network(x)
        gate = copy.copy(network[1])
        before = seen.masks["1"].clone()
        gate.gate = copy.copy(gate.gate)
        gate(torch.zeros(2, 8, 8, 8))
    assert torch.equal(seen.masks["1"], before)
