"""Effect of every group on the logit of one class, to first order, from one forward and one backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from sge.arrays import Array
from sge.errors import CaptureError
from sge.lens.backends.base import Gradients
from sge.lens.failures import failure, no_gradient
from sge.lens.grad_cam import noted_maps
from sge.lens.labels import check_class
from sge.lens.passes import Passes
from sge.nn import edit_masks


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
    masks: list[tuple[str, Tensor]] = []  # A pass may call a block several times.
    offsets: list[Tensor] = []

    def add_offset(name: str, mask: Tensor) -> Tensor:
        masks.append((name, mask.detach()))
        offsets.append(torch.zeros_like(masks[-1][1], requires_grad=True))
        return mask + offsets[-1]

    with passes.gradients() as view:
        inputs = image.clone()
        edits = {name: partial(add_offset, name) for name in blocks}
        with noted_maps(passes, view, inputs), edit_masks(view, edits) as calls:
            logits = passes.logits(view, inputs, 1)[0].float()
        if unused := [name for name in blocks if not calls[name]]:
            raise CaptureError(
                f"The forward pass does not call the gate of {', '.join(unused)}. Use a network that is not made by a "
                "tracer, and name only blocks that it uses."
            )
        passes.check_finite({"the logits": logits.detach()})
        index = int(logits.argmax()) if target is None else target
        check_class(index, len(logits))
        gradients = _gradients(view, inputs, logits[index], [name for name, _ in masks], offsets)
    effect: dict[str, Array] = {}
    spatial: dict[str, Array] = {}
    for (name, mask), gradient in zip(masks, gradients, strict=True):
        passes.check_finite({f"the gradient of block {name}": gradient})
        mask, slope = mask.float(), gradient.float()
        _add(effect, name, slope * mask)
        _add(spatial, name, slope * (mask - mask.mean((2, 3), keepdim=True)))
    return Gradients(
        logits.detach().cpu().numpy(),
        index,
        {name: effect[name] for name in blocks},
        {name: spatial[name] for name in blocks},
    )


def _gradients(
    view: nn.Module, inputs: Tensor, logit: Tensor, names: list[str], offsets: list[Tensor]
) -> list[Tensor]:
    if not offsets:
        return []
    if not logit.requires_grad:
        raise no_gradient(view, list(dict.fromkeys(names)))
    try:
        found = torch.autograd.grad(logit, offsets, allow_unused=True)
    except RuntimeError as error:
        raise failure(view, inputs, error) from error
    used = {name for name, one in zip(names, found, strict=True) if one is not None}
    if missing := [name for name in dict.fromkeys(names) if name not in used]:
        raise no_gradient(view, missing)
    return [
        torch.zeros_like(offset) if one is None else one for offset, one in zip(offsets, found, strict=True)
    ]


def _add(sums: dict[str, Array], name: str, maps: Tensor) -> None:
    summed = maps.sum((2, 3))[0].cpu().numpy()
    sums[name] = sums[name] + summed if name in sums else summed
