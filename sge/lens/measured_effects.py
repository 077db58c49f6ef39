"""Effect of groups on the logit of one class, measured: each group is removed alone.

Gradient x activation ranks the groups of some blocks as their removal does, and of others it does not, above all where
no shortcut bypasses the block; docs/faithfulness.md has the figures. Which of the two a block of an image is, the removal
of a few of its groups shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sge.arrays import Array
from sge.lens.ablation import ablated_logits
from sge.lens.backends.base import Backend
from sge.lens.labels import check_class
from sge.lens.rows import removed_groups

CHECKED = 8
"""Number of groups that are removed to see whether the first order holds."""
MIN_EXPLAINED = 0.9
"""Fraction of the variance of the measured effects that the first order must explain for it to hold."""


def measured_effects(
    backend: Backend,
    image: Array,
    target: int,
    block: str,
    groups: Sequence[int] | None = None,
    mode: str = "zero",
) -> Array:
    """How much the logit falls when each group is ablated alone.

    Args:
        backend: Of the network.
        image: (1, channels, h, w).
        target: The class.
        block: Name of an SGE block.
        groups: Numbers of groups; all by default.
        mode: ``zero`` or ``mean``, as in ``Lens.ablate``.

    Returns:
        (number of groups,), float32.

    Raises:
        CaptureError: the pass does not call the block's gate.
    """
    count = backend.groups[block]
    chosen = range(count) if groups is None else groups
    if not len(chosen):
        return np.zeros(0, np.float32)
    rows = removed_groups({block: count}, [{block: [group]} for group in chosen], mode)
    every = ablated_logits(backend, image, rows)
    check_class(target, every.shape[1])
    logits = every[:, target]
    effects: Array = logits[0] - logits[1:]
    return effects


def measured_unless_first_order_holds(
    backend: Backend, image: Array, target: int, block: str, first_order: Array
) -> Array | None:
    """None if the first order explains the measured effects of a few groups, otherwise the measured effects of all.

    The few are spread over the ranks of the first order, from its smallest to its largest. A block that has hardly more
    groups than these is measured.

    Args:
        backend: Of the network.
        image: (1, channels, h, w).
        target: The class.
        block: Name of an SGE block.
        first_order: (G,), effects by the gradient.

    Returns:
        (G,), float32, or None.
    """
    count = len(first_order)
    if count < 2 * CHECKED:
        return measured_effects(backend, image, target, block)
    ranks = np.linspace(0, count - 1, CHECKED).round().astype(int)
    checked = np.argsort(first_order, kind="stable")[ranks]
    few = measured_effects(backend, image, target, block, checked.tolist())
    unexplained = ((few - first_order[checked]) ** 2).sum()
    if unexplained <= (1 - MIN_EXPLAINED) * ((few - few.mean()) ** 2).sum():
        return None
    others = np.setdiff1d(np.arange(count), checked)
    effects = np.zeros(count, np.float32)
    effects[checked] = few
    effects[others] = measured_effects(backend, image, target, block, others.tolist())
    return effects
