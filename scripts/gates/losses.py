"""Losses of gate tuning: ``sge.training.mask_losses`` and distillation, and what keeps the order of the classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scripts.gates.config import GateRun
from scripts.gates.lite0 import Outputs

ORDER_MARGIN = 1.0
"""Lead of the top class that is enough, in logits."""
NEXT_CLASSES = 4
PATIENCE = 0.04
"""Mean shortfall of a block's masks, relative to their target, that does not raise the block's weight."""
PRESSURE = 0.02, 0.25, 8.0
"""Relative change of a block's weight in each step, and its limits."""


def mask_std(mask: Tensor) -> Tensor:
    """(G,): unbiased standard deviation over space, averaged over the batch."""
    positions = mask.shape[2] * mask.shape[3]
    centered = mask - mask.mean((2, 3), keepdim=True)
    std: Tensor = torch.linalg.vector_norm(centered, dim=(2, 3)) / max(positions - 1, 1) ** 0.5
    return std.mean(0)


class FlatnessLoss:
    """Mean over the blocks of the shortfall of their masks' standard deviation, each block with a weight of its own.

    The weights follow the masks: a block whose masks miss the target costs more with every step, one whose masks reach
    it less. So each block pays what its target takes, and no more.

    Args:
        blocks: Names of the blocks.
        run: States the targets.
        device: Of the masks.
    """

    def __init__(self, blocks: list[str], run: GateRun, device: torch.device) -> None:
        stds = {block: run.weak_std if block in run.weak_blocks else run.target_mask_std for block in blocks}
        self.blocks, self.fraction = [block for block in blocks if stds[block] > 0], run.acting_fraction
        self.targets = torch.tensor([stds[block] for block in self.blocks], device=device)
        self.weights = torch.ones(len(self.blocks), device=device)

    def __call__(self, masks: dict[str, Tensor], height: float) -> Tensor:
        """Scalar.

        Args:
            masks: Block name to mask.
            height: Fraction of the targets that holds now.
        """
        shortfalls = []
        for block, target in zip(self.blocks, self.targets * height, strict=True):
            stds = mask_std(masks[block])
            if self.fraction < 1:
                stds = stds.topk(max(1, round(self.fraction * len(stds)))).values
            shortfalls.append(F.relu(1 - stds / target).mean())
        found = torch.stack(shortfalls)
        loss = (found * self.weights).mean()
        change, low, high = PRESSURE
        self.weights = (self.weights * torch.exp(change * torch.sign(found.detach() - PATIENCE))).clamp(
            low, high
        )
        return loss


def openness_loss(masks: dict[str, Tensor], blocks: list[str]) -> Tensor:
    """Mean over blocks and groups of mean over maximum of a mask."""
    return torch.stack([(masks[b].mean((2, 3)) / masks[b].amax((2, 3))).mean() for b in blocks]).mean()


def distillation_losses(ours: Outputs, theirs: Outputs) -> dict[str, Tensor]:
    """``logits``, ``features``, ``pooled``, ``order`` and ``gaps``, without their weights."""
    errors = []
    for block, feature in ours.features.items():
        wanted = theirs.features[block].float()
        errors.append((feature.float() - wanted).square().mean() / wanted.var())
    target, given = theirs.logits, ours.logits
    top = target.topk(1 + NEXT_CLASSES)
    leads = top.values[:, :1] - top.values[:, 1:]
    kept = given.gather(1, top.indices)
    others = given.scatter(1, top.indices[:, :1], float("-inf")).amax(1)
    lead = leads[:, 0].clamp(max=ORDER_MARGIN)
    gaps = F.smooth_l1_loss(kept[:, :1] - kept[:, 1:], leads, reduction="none", beta=0.5)
    return {
        "logits": F.kl_div(
            given.log_softmax(1), target.log_softmax(1), log_target=True, reduction="batchmean"
        ),
        "features": torch.stack(errors).mean(),
        "pooled": (ours.pooled - theirs.pooled).square().mean() / theirs.pooled.var(),
        "order": F.relu(lead - (kept[:, 0] - others)).mean() / ORDER_MARGIN,
        "gaps": (gaps * torch.exp(-0.5 * leads)).mean(),
    }


def total(losses: dict[str, Tensor], run: GateRun) -> Tensor:
    """The weighted sum."""
    weights = {
        "logits": 1.0,
        "features": run.feature_weight,
        "pooled": run.pooled_weight,
        "order": run.order_weight,
        "gaps": run.gap_weight,
        "flatness": run.flatness_weight,
        "openness": run.openness_weight,
    }
    return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
