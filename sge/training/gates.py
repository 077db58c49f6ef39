"""SGE gates during a training: what is logged of them, and what is done to them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sge.nn import MaskCapture, eval_mode, own_sge_blocks, sge_blocks
from sge.training.mask_losses import mask_std


@dataclass(frozen=True)
class GateFacts:
    """State of one block's gates."""

    weight: float
    """Mean absolute weight over the groups."""
    mask_std: float
    """Median over the groups of the mask's standard deviation over space."""


def gate_facts(network: nn.Module, masks: dict[str, Tensor]) -> dict[str, GateFacts]:
    """Summarizes the gates of each block.

    Args:
        network: A network with SGE modules, or without.
        masks: By block: the masks of one batch, (N, G, h, w).

    Returns:
        By block; empty for a network without SGE.
    """
    return {
        name: GateFacts(
            float(module.weight.detach().abs().mean()), float(mask_std(masks[name].float()).median())
        )
        for name, module in sge_blocks(network).items()
        if name in masks
    }


def block_strides(network: nn.Module, size: int = 64) -> dict[str, int]:
    """Stride of each SGE block's masks: input pixels for each cell.

    Args:
        network: A network with SGE modules, or without.
        size: Side of the input with which the strides are measured, in pixels.
    """
    blocks = list(sge_blocks(network))
    if not blocks:
        return {}
    with eval_mode(network), torch.no_grad(), MaskCapture(network, blocks) as capture:
        network(torch.zeros(1, 3, size, size))
    return {name: size // mask.shape[3] for name, mask in capture.masks.items()}


def set_gate_weights(network: nn.Module, weight: float) -> None:
    """Sets all weights of SGE modules whose gates are inactive (all weights 0)."""
    with torch.no_grad():
        for module in sge_blocks(network).values():
            if not bool(module.weight.any()):
                module.weight.fill_(weight)


def clamp_gate_weights(network: nn.Module) -> None:
    """Clamps SGE's weights to 0 or above, so that a mask stays open where the group's channels agree."""
    with torch.no_grad():
        for module in sge_blocks(network).values():
            module.weight.clamp_(min=0)


def compile_statistics(network: nn.Module) -> None:
    """Compiles the statistics of each SGE module of the network; needs a C++ compiler."""
    for module in own_sge_blocks(network).values():
        module.compile_statistics()
