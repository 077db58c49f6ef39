"""Optimizers and the learning-rate schedule."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, MultiStepLR, SequentialLR

from sge.nn import gate_parameters, sge_blocks
from sge.training.config import TrainConfig
from sge.training.gate_tuning_config import GateTuningConfig

STEP_MILESTONES = (0.3, 0.6, 0.9)
"""Fractions of the steps after which the ``steps`` schedule divides the learning rate by ten."""


def optimizer_for(student: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Optimizer of all parameters, in three groups.

    Weights are decayed. Norm parameters and biases are not, and neither are SGE's parameters, which also have
    a learning rate of their own. With ``decay_all`` everything is decayed and SGD's momentum is classical
    instead of Nesterov's.

    Args:
        student: The module whose parameters are trained.
        config: Optimizer, learning rates, momentum and decay.
    """
    gates, undecayed, decayed = [], [], []
    of_gates = {id(one) for block in sge_blocks(student).values() for one in gate_parameters(block)}
    for module in student.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in of_gates:
                gates.append(parameter)
            elif isinstance(module, _BatchNorm) or name == "bias":
                undecayed.append(parameter)
            else:
                decayed.append(parameter)
    other_decay = config.weight_decay if config.decay_all else 0.0
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": undecayed, "weight_decay": other_decay},
        {"params": gates, "weight_decay": other_decay, "lr": config.lr * config.gate_lr_scale},
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, fused=True)
    nesterov = config.momentum > 0 and not config.decay_all
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=nesterov)


def gate_optimizer(
    trainable: dict[str, dict[str, nn.Parameter]], config: GateTuningConfig
) -> torch.optim.Optimizer:
    """Adam with one learning rate for each kind of parameter.

    Args:
        trainable: By kind (``weight``, ``bias``, ``norm``), as ``trainable_parameters`` returns them.
        config: ``weight_lr``, ``bias_lr`` and ``norm_lr``.
    """
    lrs = {"weight": config.weight_lr, "bias": config.bias_lr, "norm": config.norm_lr}
    return torch.optim.Adam(
        [{"params": list(trainable[kind].values()), "lr": lr} for kind, lr in lrs.items() if trainable[kind]]
    )


def schedule_for(optimizer: torch.optim.Optimizer, schedule: str, warmup: float, steps: int) -> LRScheduler:
    """A linear warmup, then a half cosine or steps down to a tenth; advanced once after each optimizer step.

    Args:
        optimizer: Its groups' learning rates are the maxima.
        schedule: ``cosine`` or ``steps``.
        warmup: Fraction of the steps in which the learning rate rises linearly.
        steps: Number of steps of the whole training.
    """
    warmup_steps = round(warmup * steps)
    main: LRScheduler
    if schedule == "steps":
        main = MultiStepLR(
            optimizer, [round(fraction * steps) - warmup_steps for fraction in STEP_MILESTONES]
        )
    else:
        main = CosineAnnealingLR(optimizer, max(1, steps - warmup_steps))
    if not warmup_steps:
        return main
    rise = LinearLR(optimizer, 1 / warmup_steps, total_iters=warmup_steps)
    return SequentialLR(optimizer, [rise, main], [warmup_steps])
