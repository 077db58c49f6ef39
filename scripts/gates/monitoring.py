"""Figures of a run on images that it does not learn from, with the program's own images and crops.

They score the runs of one program. What is stated of a network is measured by ``scripts.gates.measure``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scripts.gates.images import center_crops
from scripts.gates.lite0 import fold, forward
from scripts.gates.losses import mask_std
from scripts.gates.training import Machine, State

ACTING_STD = 0.1
KL_EFFECT = 0.4
"""Measured here: the disagreement is about so many times the root of the divergence."""
WANTED_BLOCKS, WANTED_COST = 11.9, 0.11
"""Acting blocks, and top-1 accuracy that constant masks cost, of a run that loses no score for too little of them."""


@torch.no_grad()
def measure(machine: Machine, learned: State) -> dict[str, float | int | dict[str, float]]:
    """Figures on the images that are monitored, in float32, and a score made of them."""
    state = machine.start | learned
    ours, theirs = fold(state, torch.float32), fold(machine.start, torch.float32)
    figures: dict[str, float | int] = {}
    stds: dict[str, list[Tensor]] = {}
    agreements, smooth, cost = [], [], 0.0
    for source, indices in machine.images.monitored.items():
        batches = [center_crops(machine.images, part, 224) for part in torch.split(indices, 64) if len(part)]
        if not batches:
            continue
        seen = [forward(state, ours, batch) for batch in batches]
        wanted = torch.cat([forward(machine.start, theirs, batch, inactive=True).logits for batch in batches])
        given = torch.cat([one.logits for one in seen])
        agreement = float((given.argmax(1) == wanted.argmax(1)).float().mean())
        kl = float(_kl(given, wanted))
        figures |= {f"{source} agreement": agreement, f"{source} kl": kl}
        agreements.append(agreement)
        smooth.append(1 - KL_EFFECT * math.sqrt(max(kl, 0.0)))
        for one, batch in zip(seen, batches, strict=True):
            for block, mask in one.masks.items():
                stds.setdefault(block, []).append(mask_std(mask) * len(batch))
        if source == "dogs":
            labels = machine.images.labels[indices]
            flat = torch.cat([forward(state, ours, batch, flat=True).logits for batch in batches])
            tops = [float((logits.argmax(1) == labels).float().mean()) for logits in (given, flat, wanted)]
            figures |= dict(zip(("top1", "top1 flat", "top1 teacher"), tops, strict=True))
            cost = tops[0] - tops[1]
    count = sum(len(indices) for indices in machine.images.monitored.values())
    means = {block: torch.stack(parts).sum(0) / count for block, parts in stds.items()}
    medians = {block: float(values.median()) for block, values in means.items()}
    acting = sum(1 / (1 + math.exp(-(median - ACTING_STD) / 0.004)) for median in medians.values())
    score = (sum(agreements) + sum(smooth)) / (2 * len(agreements))
    score -= 0.015 * max(0.0, WANTED_BLOCKS - acting) + max(0.0, WANTED_COST - cost)
    figures |= {
        "score": score,
        "mean std": sum(float(values.mean()) for values in means.values()) / len(means),
        "acting": sum(median >= ACTING_STD for median in medians.values()),
    }
    rounded = {name: round(value, 4) for name, value in figures.items()}
    return rounded | {"median stds": {block: round(median, 4) for block, median in medians.items()}}


def _kl(given: Tensor, wanted: Tensor) -> Tensor:
    return torch.nn.functional.kl_div(
        given.log_softmax(1), wanted.log_softmax(1), log_target=True, reduction="batchmean"
    )
