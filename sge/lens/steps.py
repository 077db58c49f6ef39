"""The arrays by which one group's mask is made."""

from __future__ import annotations

import torch
from torch import Tensor

from sge.analysis import GroupSteps
from sge.lens.passes import Passes
from sge.nn import Capture, block_formula, block_module, sge_blocks


def group_steps(passes: Passes, image: Tensor, block: str, group: int) -> GroupSteps:
    """Features, mean, product, similarity, mask and output of one group (eq. 1-5 of the paper).

    Args:
        passes: Of the network.
        image: (1, 3, h, w) from ``passes.batch``.
        block: Name of an SGE block, which exists.
        group: Number of the group, which exists.
    """
    module = sge_blocks(passes.network)[block]
    with passes.inference() as view:
        viewed = block_module(sge_blocks(view)[block])
        path = next(path for path, one in view.named_modules() if one is viewed)
        with Capture(view, [block], inputs=[path], outputs=[path], rows=1) as seen:
            passes.run(view, image)
    formula = block_formula(module)
    features, output = (
        formula.consecutive(values)[0].float().reshape(module.groups, -1, *values.shape[2:])[group]
        for values in (seen.inputs[path], seen.outputs[path])
    )
    mean = features.mean((1, 2))
    product = torch.einsum("c,chw->hw", mean, features)
    if formula.products == "mean":
        product = product / len(features)
    arrays = (features, mean, product, seen.similarity[block][0, group], seen.masks[block][0, group], output)
    features, mean, product, similarity, mask, output = (array.float().cpu() for array in arrays)
    for array in (features, product, similarity, mask, output):
        passes.check_finite({f"block {block}": array})
    return GroupSteps(
        block=block,
        group=group,
        features=features.numpy(),
        mean=mean.numpy(),
        product=product.numpy(),
        similarity=similarity.numpy(),
        mask=mask.numpy(),
        output=output.numpy(),
        weight=float(module.weight.detach()[0, group, 0, 0]),
        bias=float(module.bias.detach()[0, group, 0, 0]),
    )
