"""What a network with acting gates is asked for: its inactive self's answers, with masks that vary over space."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sge.nn.blocks import sge_blocks


@dataclass
class Watched:
    """What one forward pass of a watched network left, with gradients."""

    masks: dict[str, Tensor] = field(default_factory=dict)
    """By block: (N, G, h, w)."""
    features: dict[str, Tensor] = field(default_factory=dict)
    """By block: what the block hands on."""


@contextmanager
def watch(network: nn.Module) -> Iterator[Watched]:
    """Keeps each block's masks and output of every forward pass inside; of several passes, the last one's."""
    seen = Watched()
    handles = []
    for name, module in sge_blocks(network).items():

        def keep_mask(_m: nn.Module, _x: tuple[Tensor, ...], mask: Tensor, name: str = name) -> None:
            seen.masks[name] = mask

        def keep_output(_m: nn.Module, _x: tuple[Tensor, ...], out: Tensor, name: str = name) -> None:
            seen.features[name] = out

        handles.append(module.gate.register_forward_hook(keep_mask))
        handles.append(network.get_submodule(name).register_forward_hook(keep_output))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def frozen_copy(network: nn.Module) -> nn.Module:
    """The teacher: the network as it is now, in eval mode, never to change."""
    return copy.deepcopy(network).eval().requires_grad_(False)


def answers_loss(logits: Tensor, teacher: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the answers from the teacher's, mean over the batch, in nats."""
    return F.kl_div(logits.log_softmax(1), teacher.log_softmax(1), log_target=True, reduction="batchmean")


def features_loss(features: dict[str, Tensor], teacher: dict[str, Tensor]) -> Tensor:
    """Squared difference of the blocks' outputs over the variance of the teacher's, mean over the blocks."""
    errors = [(features[name] - teacher[name]).square().mean() / teacher[name].var() for name in features]
    return torch.stack(errors).mean()


def spread(mask: Tensor) -> Tensor:
    """Standard deviation over space of each group's mask, mean over the batch: (N, G, h, w) to (G,)."""
    places = mask.shape[2] * mask.shape[3]
    centred = mask - mask.mean((2, 3), keepdim=True)
    # A norm has a defined gradient (0) on a flat mask, where the root of a variance has none.
    deviation: Tensor = torch.linalg.vector_norm(centred, dim=(2, 3)) / max(places - 1, 1) ** 0.5
    return deviation.mean(0)


def openness(mask: Tensor) -> Tensor:
    """Mean of each mask over space as a fraction of its largest value, mean over the batch: (G,)."""
    return (mask.mean((2, 3)) / mask.amax((2, 3))).mean(0)


def flatness_loss(masks: Sequence[Tensor], wanted: float) -> Tensor:
    """By how much the masks miss the wanted spread, as a fraction of it; mean over groups and blocks.

    A group that reaches it costs nothing more, so that the image alone decides beyond it. Openness alone
    has a loophole: a large negative bias makes the mean small beside the maximum of a mask that is closed
    nearly everywhere, and nobody sees it act.
    """
    return torch.stack([F.relu(1 - spread(mask) / wanted).mean() for mask in masks]).mean()


def openness_loss(masks: Sequence[Tensor]) -> Tensor:
    """Mean over blocks and groups of ``openness``."""
    return torch.stack([openness(mask).mean() for mask in masks]).mean()
