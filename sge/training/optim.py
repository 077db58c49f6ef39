"""Optimizer and learning rates."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, MultiStepLR, SequentialLR

from sge.nn.module import SpatialGroupEnhance
from sge.training.config import TrainConfig

DROPS = (0.3, 0.6, 0.9)
"""Parts of the training after which the paper divides the rate by ten."""


def optimizer_for(student: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Weights with decay; norms and biases without; SGE's parameters without and at a rate of their own."""
    gates, plain, decayed = [], [], []
    for module in student.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if isinstance(module, SpatialGroupEnhance):
                gates.append(parameter)
            elif isinstance(module, _BatchNorm) or name == "bias":
                plain.append(parameter)
            else:
                decayed.append(parameter)
    least = config.weight_decay if config.decay_all else 0.0
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": least},
        {"params": gates, "weight_decay": least, "lr": config.rate * config.gate_lr_scale},
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.rate)
    return torch.optim.SGD(groups, lr=config.rate, momentum=config.momentum, nesterov=not config.decay_all)


def schedule_for(optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int) -> LRScheduler:
    """A linear rise, then a half cosine or the paper's steps; one call a step.

    Args:
        optimizer: Whose rates are scheduled.
        config: ``schedule`` and ``warm_up``.
        steps: Of the whole training.
    """
    rise = round(config.warmup * steps)
    after: LRScheduler
    if config.schedule == "steps":
        after = MultiStepLR(optimizer, [round(part * steps) - rise for part in DROPS])
    else:
        after = CosineAnnealingLR(optimizer, max(1, steps - rise))
    if not rise:
        return after
    return SequentialLR(optimizer, [LinearLR(optimizer, 1 / rise, total_iters=rise), after], [rise])
