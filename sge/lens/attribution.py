"""Effect of every group on the logit of one class, to first order, from one forward and one backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from sge.arrays import Array
from sge.errors import CaptureError
from sge.lens.passes import Passes
from sge.nn import edit_masks


@dataclass(frozen=True)
class Gradients:
    """First-order effects of one image."""

    logits: Tensor
    """(classes,), float32, on the CPU."""
    target: int
    effect: dict[str, Array]
    """Block name to (G,), float32: gradient x mask."""
    spatial: dict[str, Array]
    """Block name to (G,), float32: gradient x (mask - its mean over space)."""


def first_order_effects(
    passes: Passes, image: Tensor, target: int | None, blocks: Sequence[str]
) -> Gradients:
    """Gradient x activation of the masks of some blocks.

    The parameters may be frozen, and their ``grad`` is left as it is.

    Args:
        passes: Of the network.
        image: (1, 3, h, w) from ``passes.batch``.
        target: The class; None for the one with the largest logit.
        blocks: Names of SGE blocks.

    Raises:
        CaptureError: the pass does not call the gates of the blocks.
    """
    masks: dict[str, Tensor] = {}
    offsets: dict[str, Tensor] = {}

    def add_offset(name: str, mask: Tensor) -> Tensor:
        masks[name] = mask.detach()
        offsets[name] = torch.zeros_like(masks[name], requires_grad=True)
        return mask + offsets[name]

    with passes.gradients():
        inputs = image.clone()
        with edit_masks(passes.network, {name: partial(add_offset, name) for name in blocks}):
            logits: Tensor = passes.network(inputs)[0].float()
        if unused := [name for name in blocks if name not in masks]:
            raise CaptureError(
                f"The forward pass does not call the gate of {', '.join(unused)}. Use a network that is not compiled or "
                "replicated, and name only blocks that it uses."
            )
        index = int(logits.argmax()) if target is None else target
        gradients = torch.autograd.grad(logits[index], list(offsets.values())) if offsets else ()
    effect, spatial = {}, {}
    for name, gradient in zip(offsets, gradients, strict=True):
        mask, slope = masks[name].float(), gradient.float()
        effect[name] = _sums(slope * mask)
        spatial[name] = _sums(slope * (mask - mask.mean((2, 3), keepdim=True)))
    order = [name for name in blocks if name in effect]
    return Gradients(
        logits.detach().cpu(),
        index,
        {name: effect[name] for name in order},
        {name: spatial[name] for name in order},
    )


def _sums(maps: Tensor) -> Array:
    return maps.sum((2, 3))[0].cpu().numpy()
