"""Whether gates act: what is logged of them while a network trains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sge.nn.blocks import sge_blocks
from sge.nn.capture import MaskCapture
from sge.nn.modes import eval_mode
from sge.training.mask_losses import spread


@dataclass(frozen=True)
class GateFacts:
    """Of one block at one moment."""

    weight: float
    """Mean absolute weight of its gates."""
    spread: float
    """Median over groups of a mask's standard deviation over space."""


def gate_facts(network: nn.Module, masks: dict[str, Tensor]) -> dict[str, GateFacts]:
    """By block.

    Args:
        network: With SGE in it, or none: then there are no facts.
        masks: Of one batch, (N, G, h, w) by block.
    """
    return {
        name: GateFacts(
            float(module.weight.detach().abs().mean()), float(spread(masks[name].detach().float()).median())
        )
        for name, module in sge_blocks(network).items()
        if name in masks
    }


def compile_statistics() -> None:
    """Has SGE's statistics and product compiled from here on, in this process (needs a C++ compiler).

    Eager SGE passes over a channels_last tensor many times while training; fused, few times.
    """
    from sge.nn import module

    torch._dynamo.config.recompile_limit = 64
    module.group_similarity = torch.compile(module.group_similarity, dynamic=False)
    module.masked = torch.compile(module.masked, dynamic=False)


def block_strides(network: nn.Module, size: int = 64) -> dict[str, int]:
    """Pixels of the input per cell of each SGE block's masks."""
    blocks = list(sge_blocks(network))
    if not blocks:
        return {}
    with eval_mode(network), torch.no_grad(), MaskCapture(network, blocks) as seen:
        network(torch.zeros(1, 3, size, size))
    return {name: size // mask.shape[3] for name, mask in seen.masks.items()}


def gates_above_zero(network: nn.Module) -> None:
    """Holds SGE's weights at 0 or above: a mask then stays open where the group's channels agree."""
    with torch.no_grad():
        for module in sge_blocks(network).values():
            module.weight.clamp_(min=0)
