"""Saliency maps of one image that faithfulness compares: what each one is made of."""

from __future__ import annotations

import numpy as np
import torch

from sge.arrays import Array
from sge.errors import CaptureError, ChoiceError, UnknownBlockError
from sge.images import Frame
from sge.lens import Lens
from sge.models import Model
from sge.nn import Capture, eval_mode, sge_blocks

EXPLANATIONS = {
    "mask": "mean of the masks",
    "similarity": "mean of the similarity",
    "effect_mask": "masks, weighted by effect",
    "effect_similarity": "similarity, weighted by effect",
    "grad_cam": "Grad-CAM",
}
"""Maps that a network gives, with their names for people."""
BASELINES = {"center": "the image's center", "random": "random map"}
"""Maps that no network takes part in."""
CENTER_STD = 0.25
"""Standard deviation of the center map, as a fraction of each side."""


def choose_block(model: Model, block: str | None = None) -> str:
    """The block whose groups are measured: the named one, the one that a viewer opens with, or else the last one.

    Raises:
        CaptureError: the network has no SGE.
        UnknownBlockError: there is no such block; the message lists the blocks.
    """
    names = list(sge_blocks(model.network))
    if not names:
        raise CaptureError(
            f"{model.name} has no SGE, whose masks could be measured. Choose a model of `sge models list`, or give "
            "the network some with sge.insert_sge."
        )
    if block is None:
        opening = (model.card.opens_with or {}).get("block")
        return opening if opening in names else names[-1]
    if block not in names:
        raise UnknownBlockError(f"No block {block}; there are: {', '.join(names)}.")
    return block


def explanations(lens: Lens, frame: Frame, target: int, block: str) -> dict[str, Array]:
    """Maps of one class by name, as ``EXPLANATIONS`` lists them.

    The effect is the first-order effect of each group on the target's logit (``lens.attribute``, method ``gradient``).
    A weighted map is the sum over the block's groups of relu(effect) x map: groups that speak for the class count,
    those against it do not.

    Args:
        lens: The network that is explained.
        frame: The image.
        target: Number of the class.
        block: An SGE block.

    Returns:
        Name to (h, w), float32; Grad-CAM has its own layer's resolution, the others that of the block.

    Raises:
        ChoiceError: a map is not finite.
        NonFiniteError: a layer's output is not finite.
    """
    batch = torch.from_numpy(frame.array)[None].to(lens.device, next(lens.network.parameters()).dtype)
    with eval_mode(lens.network), torch.no_grad(), Capture(lens.network, [block], rows=1) as seen:
        lens.network(batch)
    masks, similarity = (maps[block][0].float().cpu().numpy() for maps in (seen.masks, seen.similarity))
    attribution = lens.attribute_frame(frame, target, [block], "gradient")
    assert attribution.grad_cam is not None
    weights = np.maximum(attribution[block], 0)
    found = {
        "mask": masks.mean(0),
        "similarity": similarity.mean(0),
        "effect_mask": np.tensordot(weights, masks, 1),
        "effect_similarity": np.tensordot(weights, similarity, 1),
        "grad_cam": attribution.grad_cam.map,
    }
    for name, values in found.items():
        if not np.isfinite(values).all():
            raise ChoiceError(
                f"{frame.image.name}: the map {EXPLANATIONS[name]!r} is not finite. Check the weights of the model."
            )
    return found


def baselines(shape: tuple[int, ...], seed: tuple[int, int]) -> dict[str, Array]:
    """Maps without a network by name, as ``BASELINES`` lists them.

    Args:
        shape: Rows and columns of the block's maps.
        seed: Of the random map, whose cells are independent and normally distributed.
    """
    rows, cols = (np.linspace(-1, 1, 2 * count + 1)[1::2] / (2 * CENTER_STD) for count in shape)
    noise = np.random.default_rng(seed).standard_normal(shape)
    return {
        "center": np.exp(-(rows[:, None] ** 2 + cols**2) / 2).astype(np.float32),
        "random": noise.astype(np.float32),
    }
