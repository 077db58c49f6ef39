from __future__ import annotations

import pytest
import torch
from torch import nn

from sge.nn.blocks import sge_blocks
from sge.training.gates import (
    block_strides,
    clamp_gate_weights,
    compile_statistics,
    gate_facts,
    set_gate_weights,
)
from tests.inactive_networks import inactive_network


def test_facts_of_each_block():
    network = inactive_network()
    nn.init.constant_(network.first.sge.weight, -0.5)
    half = torch.cat([torch.zeros(2, 4, 2, 4), torch.ones(2, 4, 2, 4)], 2)
    facts = gate_facts(network, {"first": half})
    assert list(facts) == ["first"]
    assert facts["first"].weight == pytest.approx(0.5)
    assert facts["first"].mask_std == pytest.approx(float(half[0, 0].std()))


def test_only_inactive_gates_get_an_initial_weight():
    network = inactive_network()
    nn.init.constant_(network.first.sge.weight, -0.5)
    set_gate_weights(network, 0.1)
    assert float(network.first.sge.weight.detach().mean()) == -0.5
    assert float(network.second.sge.weight.detach().mean()) == pytest.approx(0.1)
    clamp_gate_weights(network)
    assert not bool(network.first.sge.weight.any())


def test_strides():
    assert block_strides(inactive_network()) == {"first": 1, "second": 1}
    assert block_strides(nn.Conv2d(3, 4, 1)) == {}


def test_statistics_are_compiled_in_this_network_only():
    network, other = inactive_network(), inactive_network()
    compile_statistics(network)
    assert all(module._compiled for module in sge_blocks(network).values())
    assert not any(module._compiled for module in sge_blocks(other).values())
