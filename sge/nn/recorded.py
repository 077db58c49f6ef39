"""What a capture keeps of a forward pass, and how it is computed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sge.nn.hooks import is_only_read
from sge.nn.module import SpatialGate, SpatialGroupEnhance, standardize_maps


@dataclass
class Records:
    """By the names of blocks, or the paths of modules."""

    masks: dict[str, Tensor] = field(default_factory=dict)
    similarity: dict[str, Tensor] = field(default_factory=dict)
    energy: dict[str, Tensor] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    reads: dict[str, Tensor] = field(default_factory=dict)
    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    elsewhere: bool = False
    """Whether another thread, which has no capture of its own, or a replica called a module that is read here."""
    tasks: set[int] = field(default_factory=set)
    """Numbers of the asyncio tasks that called a module that is read here."""


def group_energy(output: Tensor, groups: int) -> Tensor:
    """Each group's fraction of the squared features (N, C, h, w): (N, groups), float32; a row sums to 1."""
    # A norm passes over the output once and keeps nothing of its size.
    norms = torch.linalg.vector_norm(output.float(), dim=(2, 3))
    by_group = (norms / output[0, 0].numel() ** 0.5).square().reshape(len(norms), groups, -1).sum(2)
    fraction: Tensor = by_group / by_group.sum(1, keepdim=True).clamp_min(torch.finfo().tiny)
    return fraction


def only_reads_maps(block: object) -> bool:
    """Whether nothing that follows can change the maps in place: our own module, without edits or hooks of others."""
    return type(block) is SpatialGroupEnhance and type(block.gate) is SpatialGate and is_only_read(block.gate)


def standardized(logits: Tensor) -> Tensor:
    """Logits of maps, (N, G, h, w), with mean 0 and standard deviation 1 in each, float32."""
    # The mean of equal large numbers is off by a rounding as large as eps; of equal zeros it is not.
    logits = logits.float()
    return standardize_maps(logits - logits[..., :1, :1])
