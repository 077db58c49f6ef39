"""The loss of every training: labels, distillation from a teacher, and losses on the masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sge.training.mask_losses import flatness_loss, openness_loss
from sge.training.student import StudentOutput


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss term, and the constants inside the terms. A term of weight 0 is not computed."""

    labels: float = 1.0
    """Cross-entropy with the labels."""
    label_smoothing: float = 0.0
    logits: float = 0.0
    """Kullback-Leibler divergence from the teacher's logits, in nats."""
    temperature: float = 1.0
    """Temperature that softens the logits of both networks in the divergence."""
    features: float = 0.0
    """Distance from the teacher's features or block outputs."""
    similarity: float = 0.0
    """One minus the correlation with the similarity of the matched teacher group."""
    flatness: float = 0.0
    target_mask_std: float = 0.12
    """Standard deviation over space from which a mask adds nothing to the flatness loss."""
    openness: float = 0.0
    acting_blocks: tuple[str, ...] | None = None
    """Blocks whose masks enter the flatness and openness losses; None: all."""


@dataclass(frozen=True)
class Targets:
    """Targets of one batch; a field that is None adds no loss term."""

    labels: Tensor | None = None
    """Class indices (N,), or class probabilities (N, classes)."""
    logits: Tensor | None = None
    """The teacher's logits over the student's classes, (N, classes)."""
    features: Tensor | None = None
    """The teacher's penultimate features, (N, C')."""
    block_outputs: Mapping[str, Tensor] | None = None
    """By block: the teacher's block output, (N, C, h, w)."""
    similarity: Mapping[str, Tensor] | None = None
    """By the student's block: similarity of the teacher's groups, (N, G', h, w), standardized in each map."""


def loss_terms(
    output: StudentOutput, targets: Targets, weights: LossWeights, matches: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Weighted loss terms of one batch, each a mean over the batch; the loss is their sum.

    Args:
        output: The student's forward pass.
        targets: Labels and the teacher's outputs.
        weights: Weight of each term.
        matches: By block: for each group of the student the index of the teacher's group, -1 for none.
            Empty before the groups are matched; the similarity term is then left out.

    Returns:
        Scalars under the names ``labels``, ``logits``, ``features``, ``similarity``, ``flatness`` and ``openness``,
        those without target or weight left out.
    """
    terms: dict[str, Tensor] = {}
    if targets.labels is not None and weights.labels:
        terms["labels"] = weights.labels * F.cross_entropy(
            output.logits, targets.labels, label_smoothing=weights.label_smoothing
        )
    if targets.logits is not None and weights.logits:
        terms["logits"] = weights.logits * divergence(output.logits, targets.logits, weights.temperature)
    if weights.features and (features := _feature_distance(output, targets)) is not None:
        terms["features"] = weights.features * features
    if targets.similarity is not None and weights.similarity and matches:
        distances = [
            1 - agreement(output.similarity[block], maps, matches[block])
            for block, maps in targets.similarity.items()
        ]
        terms["similarity"] = weights.similarity * torch.stack(distances).mean()
    acting = output.masks if weights.acting_blocks is None else weights.acting_blocks
    if masks := [output.masks[block] for block in acting]:
        if weights.flatness:
            terms["flatness"] = weights.flatness * flatness_loss(masks, weights.target_mask_std)
        if weights.openness:
            terms["openness"] = weights.openness * openness_loss(masks)
    return terms


def _feature_distance(output: StudentOutput, targets: Targets) -> Tensor | None:
    if targets.features is not None and output.features is not None:
        return 1 - F.cosine_similarity(output.features, targets.features).mean()
    if targets.block_outputs is not None:
        return block_output_error(output.block_outputs, targets.block_outputs)
    return None


def divergence(logits: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Kullback-Leibler divergence of the predictions from the teacher's (Hinton et al. 2015).

    Source: https://arxiv.org/abs/1503.02531, section 2: both softmaxes have the temperature, and its square
    keeps the scale of the gradient.

    Args:
        logits: The student's, (N, classes).
        teacher: The teacher's, (N, classes).
        temperature: Divisor of both logits.

    Returns:
        Scalar in nats, the mean over the batch.
    """
    return temperature**2 * F.kl_div(
        (logits / temperature).log_softmax(1),
        (teacher / temperature).log_softmax(1),
        log_target=True,
        reduction="batchmean",
    )


def block_output_error(outputs: Mapping[str, Tensor], teacher: Mapping[str, Tensor]) -> Tensor:
    """Squared error of the block outputs divided by the variance of the teacher's, averaged over the blocks.

    Args:
        outputs: By block, (N, C, h, w).
        teacher: The same blocks and shapes.

    Returns:
        Scalar; 1 when the error is as large as the variance.
    """
    errors = [(outputs[name] - target).square().mean() / target.var() for name, target in teacher.items()]
    return torch.stack(errors).mean()


def agreement(similarity: Tensor, teacher: Tensor, match: Tensor) -> Tensor:
    """Mean correlation over space between each matched group and its group of the teacher.

    Args:
        similarity: The student's, (N, G, h, w), standardized in each map.
        teacher: The teacher's, (N, G', h, w), standardized in each map.
        match: (G,), the index of the teacher's group, or -1 for none.

    Returns:
        Scalar: the mean over the batch and the matched groups.
    """
    matched = match >= 0
    products = (similarity[:, matched].float() * teacher[:, match[matched]]).sum((2, 3))
    # Both standard deviations are unbiased, so that the sum is divided by one less than the positions.
    return products.mean() / max(teacher.shape[2] * teacher.shape[3] - 1, 1)
