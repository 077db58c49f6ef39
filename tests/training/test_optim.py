from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from sge.training.config import TrainConfig
from sge.training.gate_tuning import trainable_parameters
from sge.training.gate_tuning_config import GateTuningConfig
from sge.training.optim import gate_optimizer, optimizer_for, schedule_for
from tests.inactive_networks import inactive_network

CONFIG = TrainConfig(lr=0.1, gate_lr_scale=3.0, weight_decay=0.01)


def lrs_of(schedule: str, warmup: float, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = schedule_for(optimizer, schedule, warmup, steps)
    lrs = []
    for _ in range(steps):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return lrs


def test_norms_biases_and_gates_are_not_decayed():
    groups = optimizer_for(inactive_network(), CONFIG).param_groups
    assert [(group["weight_decay"], round(group["lr"], 6)) for group in groups] == [
        (0.01, 0.1),
        (0.0, 0.1),
        (0.0, 0.3),
    ]
    assert [len(group["params"]) for group in groups] == [3, 5, 4]
    assert groups[0]["nesterov"]


def test_the_paper_decays_everything_with_classical_momentum():
    groups = optimizer_for(inactive_network(), replace(CONFIG, decay_all=True)).param_groups
    assert {group["weight_decay"] for group in groups} == {0.01}
    assert not groups[0]["nesterov"]


def test_each_kind_of_tuned_parameter_has_its_learning_rate():
    config = GateTuningConfig()
    groups = gate_optimizer(trainable_parameters(inactive_network()), config).param_groups
    assert [group["lr"] for group in groups] == [config.weight_lr, config.bias_lr, config.norm_lr]
    assert [len(group["params"]) for group in groups] == [2, 2, 4]


def test_a_linear_warmup_and_a_half_cosine():
    lrs = lrs_of("cosine", 0.1, 100)
    assert lrs[:11] == pytest.approx([0.1 + 0.09 * step for step in range(11)])
    assert max(lrs) == pytest.approx(1)
    assert lrs[55] == pytest.approx(0.5, abs=0.02)
    assert lrs[-1] < 0.01


def test_steps_divide_by_ten():
    lrs = lrs_of("steps", 0.0, 100)
    assert [lrs[i] for i in (0, 29, 30, 60, 90)] == pytest.approx([1, 1, 0.1, 0.01, 0.001])
