"""Effect of every group on the logit of one class, to first order, from one forward and one backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sge.arrays import Array
from sge.errors import CaptureError
from sge.lens.failures import failure, no_gradient
from sge.lens.grad_cam import noted_maps
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
        UnsupportedNetworkError: the logits have no gradient with respect to the masks of a block.
        NonFiniteError: logits or gradients are infinite or not a number.
    """
    masks: dict[str, Tensor] = {}
    offsets: dict[str, Tensor] = {}

    def add_offset(name: str, mask: Tensor) -> Tensor:
        masks[name] = mask.detach()
        offsets[name] = torch.zeros_like(masks[name], requires_grad=True)
        return mask + offsets[name]

    with passes.gradients() as view:
        inputs = image.clone()
        edits = {name: partial(add_offset, name) for name in blocks}
        with noted_maps(passes, view, inputs), edit_masks(view, edits):
            logits = passes.logits(view, inputs, 1)[0].float()
        if unused := [name for name in blocks if name not in masks]:
            raise CaptureError(
                f"The forward pass does not call the gate of {', '.join(unused)}. Use a network that is not made by a "
                "tracer, and name only blocks that it uses."
            )
        passes.check_finite({"the logits": logits.detach()})
        index = int(logits.argmax()) if target is None else target
        gradients = _gradients(view, inputs, logits[index], offsets)
    passes.check_finite({f"the gradient of block {name}": one for name, one in gradients.items()})
    effect, spatial = {}, {}
    for name, gradient in gradients.items():
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


def _gradients(
    view: nn.Module, inputs: Tensor, logit: Tensor, offsets: dict[str, Tensor]
) -> dict[str, Tensor]:
    if not offsets:
        return {}
    if not logit.requires_grad:
        raise no_gradient(view, list(offsets))
    try:
        found = torch.autograd.grad(logit, list(offsets.values()), allow_unused=True)
    except RuntimeError as error:
        raise failure(view, inputs, error) from error
    if missing := [name for name, one in zip(offsets, found, strict=True) if one is None]:
        raise no_gradient(view, missing)
    return dict(zip(offsets, found, strict=True))


def _sums(maps: Tensor) -> Array:
    return maps.sum((2, 3))[0].cpu().numpy()
