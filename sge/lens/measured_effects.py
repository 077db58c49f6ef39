"""Effect of every group on the logit of one class, measured: each group is removed alone."""

from __future__ import annotations

import torch
from torch import Tensor

from sge.arrays import Array
from sge.errors import CaptureError
from sge.lens.ablation import TRIAL_SIZE, ablated_logits, removed_groups
from sge.lens.passes import Passes
from sge.nn import edit_masks

EQUAL = 1e-4
"""Logits of two inputs are equal if they differ by less than this fraction of the largest."""


def measured_effects(passes: Passes, image: Tensor, target: int, block: str) -> Array:
    """How much the logit falls when each group is removed alone (mode ``zero``).

    Args:
        passes: Of the network.
        image: (1, 3, h, w) from ``passes.batch``.
        target: The class.
        block: Name of an SGE block.

    Returns:
        (G,), float32, on the CPU.

    Raises:
        CaptureError: the pass does not call the block's gate.
    """
    count = passes.blocks_with_groups()[block].groups
    rows = removed_groups({block: count}, [{block: [group]} for group in range(count)], "zero")
    logits = ablated_logits(passes, image, rows)[:, target]
    return (logits[0] - logits[1:]).numpy()


def is_bypassed(passes: Passes, image: Tensor, block: str) -> bool:
    """Whether the image reaches the logits also past a block, as it does where a shortcut is added to the output.

    It does if the logits of two inputs differ although the block's masks are 0. Where there is no such path, one group is
    a large part of all that the later layers see, and gradient x activation does not rank groups as their removal does:
    docs/faithfulness.md has the figures. It is found out once for each block, on small inputs if the network takes them.

    Args:
        passes: Of the network.
        image: (1, 3, h, w), whose size the network takes.
        block: Name of an SGE block.

    Raises:
        CaptureError: the pass does not call the block's gate.
    """
    key = ("bypassed", block)
    if key not in passes.found:
        passes.found[key] = _depends_on_input(passes, image, block)
    return bool(passes.found[key])


def _depends_on_input(passes: Passes, image: Tensor, block: str) -> bool:
    random = torch.Generator().manual_seed(0)
    for size in ((TRIAL_SIZE, TRIAL_SIZE), tuple(image.shape[2:])):
        inputs = torch.randn(2, image.shape[1], *size, generator=random).to(image)
        try:
            with passes.inference(), edit_masks(passes.network, {block: torch.zeros_like}) as calls:
                logits: Tensor = passes.network(inputs)
        except Exception:  # The network does not take that size.
            if size == tuple(image.shape[2:]):
                raise
            continue
        if not calls[block]:
            raise CaptureError(f"The forward pass does not call the gate of {block}, so it has no effect.")
        one, other = logits.float()
        return bool((one - other).abs().max() > EQUAL * logits.abs().max())
    return False
