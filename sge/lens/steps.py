"""The arrays by which one group's mask is made."""

from __future__ import annotations

import torch
from torch import Tensor

from sge.analysis import GroupSteps
from sge.errors import UnknownGroupError, check_whole
from sge.lens.chosen_groups import check_blocks
from sge.lens.passes import Passes
from sge.nn import Capture, sge_blocks


def group_steps(passes: Passes, image: Tensor, block: str, group: int) -> GroupSteps:
    """Features, mean, product, similarity, mask and output of one group (eq. 1-5 of the paper).

    Args:
        passes: Of the network.
        image: (1, 3, h, w) from ``passes.batch``.
        block: Name of an SGE block.
        group: Number of the group.

    Raises:
        UnknownBlockError: there is no such SGE block; the message lists the blocks.
        UnknownGroupError: the block has no group of that number.
    """
    blocks = passes.blocks_with_groups()
    check_blocks(blocks, [block])
    module = blocks[block]
    group = check_whole("group", group)
    if not 0 <= group < module.groups:
        raise UnknownGroupError(f"{block} has no group {group}; its groups are 0 to {module.groups - 1}.")
    with passes.inference() as view:
        viewed = sge_blocks(view)[block]
        path = next(path for path, one in view.named_modules() if one is viewed)
        with Capture(view, [block], inputs=[path], outputs=[path], rows=1) as seen:
            passes.logits(view, image, 1)
    features, output = (
        values[0].float().unflatten(0, (module.groups, -1))[group]
        for values in (seen.inputs[path], seen.outputs[path])
    )
    mean = features.mean((1, 2))
    product = torch.einsum("c,chw->hw", mean, features)
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
