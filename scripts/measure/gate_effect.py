"""What tuned gates do to a network: its agreement with the network of inactive gates, and how much the masks vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sge.evaluation import flat_masks
from sge.images import DecodedImage, Preprocess, frame
from sge.nn import MaskCapture
from sge.training import openness

BATCH = 25
ACTING_STD = 0.1
"""A block acts if the median standard deviation of its masks reaches this."""


@dataclass(frozen=True)
class GateEffect:
    """Figures on one set of images; fractions without rounding.

    Attributes:
        images: Number of images.
        agreement: Fraction of images with the same predicted class as with inactive gates.
        kl: Mean divergence of the predictions from those with inactive gates, in nats.
        stds: Block name to the median over groups of a mask's standard deviation over space, averaged over the images.
        opens: Block name to the mean over groups of mean over maximum of a mask.
        mean_std: Mean over all groups of a block of that deviation, then over the blocks.
        accuracy: ``top1``, ``top5``, ``top1_flat`` (every mask replaced by its mean), and ``top1_inactive`` and
            ``top5_inactive`` with inactive gates; empty without classes.
    """

    images: int
    agreement: float
    kl: float
    stds: dict[str, float]
    opens: dict[str, float]
    mean_std: float
    accuracy: dict[str, float] = field(default_factory=dict)

    @property
    def acting(self) -> int:
        """Number of blocks that act."""
        return sum(std >= ACTING_STD for std in self.stds.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain data with four digits."""
        plain = {"images": self.images, "agreement": self.agreement, "kl": self.kl, "acting": self.acting}
        plain |= {"mean_std": self.mean_std} | self.accuracy
        rounded: dict[str, Any] = {key: round(value, 4) for key, value in plain.items()}
        return rounded | {"stds": {block: round(std, 4) for block, std in self.stds.items()}}


def evaluation_inputs(preprocess: Preprocess, images: Sequence[DecodedImage]) -> Tensor:
    """(N, 3, 224, 224): the evaluation protocol."""
    return torch.from_numpy(np.stack([frame(image, preprocess, "center").array for image in images]))


@torch.inference_mode()
def compute_logits(network: nn.Module, inputs: Tensor) -> Tensor:
    """(N, classes)."""
    return torch.cat([network(batch) for batch in torch.split(inputs, BATCH)])


@torch.inference_mode()
def gate_effect(
    network: nn.Module, theirs: Tensor, inputs: Tensor, classes: Sequence[int] | None = None
) -> GateEffect:
    """Measures a network with tuned gates.

    Args:
        network: With SGE, in eval mode.
        theirs: Logits with inactive gates, (N, classes).
        inputs: (N, 3, h, w).
        classes: The true class of each image; None if no accuracy is measured.
    """
    logits, stds, opens = [], {}, {}  # type: ignore[var-annotated]
    for batch in torch.split(inputs, BATCH):
        with MaskCapture(network) as captured:
            logits.append(network(batch))
        for name, mask in captured.masks.items():
            stds.setdefault(name, []).append(mask.std((2, 3)))
            opens.setdefault(name, []).append(openness(mask))
    ours = torch.cat(logits)
    found = {name: torch.cat(values).mean(0) for name, values in stds.items()}
    accuracy = {}
    if classes is not None:
        truth = torch.tensor(classes)
        with flat_masks(network):
            flat = compute_logits(network, inputs)
        accuracy = {"top1": _top(ours, truth, 1), "top5": _top(ours, truth, 5)}
        accuracy |= {"top1_flat": _top(flat, truth, 1)}
        accuracy |= {f"top{k}_inactive": _top(theirs, truth, k) for k in (1, 5)}
    return GateEffect(
        len(ours),
        float((ours.argmax(1) == theirs.argmax(1)).float().mean()),
        float(F.kl_div(ours.log_softmax(1), theirs.log_softmax(1), log_target=True, reduction="batchmean")),
        {name: float(values.median()) for name, values in found.items()},
        {name: float(torch.stack(values).mean()) for name, values in opens.items()},
        sum(float(values.mean()) for values in found.values()) / len(found),
        accuracy,
    )


def _top(logits: Tensor, truth: Tensor, k: int) -> float:
    return float((logits.topk(k).indices == truth[:, None]).any(1).float().mean())
