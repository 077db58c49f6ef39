"""What the student is asked for: labels, a teacher's answers and features, masks that act, groups that follow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from sge.training.config import TrainConfig
from sge.training.mask_losses import flatness_loss, openness_loss
from sge.training.student import Seen


@dataclass(frozen=True)
class Targets:
    """What one batch should give."""

    target: Tensor
    """(N,) class numbers, or (N, classes) probabilities."""
    answers: Tensor | None = None
    """The teacher's logits over the student's classes, (N, classes)."""
    features: Tensor | None = None
    """The teacher's features, (N, C')."""
    similarity: dict[str, Tensor] | None = None
    """By the student's block: the teacher's groups, (N, G', h, w), mean 0 and deviation 1 in each map."""


def losses(seen: Seen, wanted: Targets, config: TrainConfig, matches: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each part of the loss with its price, means over the batch; their sum is what the student learns from.

    Args:
        seen: The student's forward pass.
        wanted: What it should have given.
        config: The prices.
        matches: By block: the teacher's group of each of the student's, -1 where it has none; empty before
            the groups are matched.
    """
    own = 1 - config.teacher_weight if wanted.answers is not None else 1.0
    parts = {}
    if own > 0:
        parts["labels"] = own * F.cross_entropy(
            seen.logits, wanted.target, label_smoothing=config.label_smoothing
        )
    if wanted.answers is not None and config.teacher_weight:
        parts["answers"] = config.teacher_weight * _divergence(
            seen.logits, wanted.answers, config.teacher_temperature
        )
    if wanted.features is not None and config.feature_weight:
        alike = F.cosine_similarity(seen.features, wanted.features).mean()
        parts["features"] = config.feature_weight * (1 - alike)
    if seen.masks and config.flatness_weight:
        parts["flat"] = config.flatness_weight * flatness_loss(
            list(seen.masks.values()), config.target_mask_std
        )
    if seen.masks and config.openness_weight:
        parts["open"] = config.openness_weight * openness_loss(list(seen.masks.values()))
    if wanted.similarity is not None and config.similarity_weight and matches:
        apart = [
            1 - agreement(seen.similarity[block], maps, matches[block])
            for block, maps in wanted.similarity.items()
        ]
        parts["dense"] = config.similarity_weight * torch.stack(apart).mean()
    return parts


def _divergence(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Hinton et al. 2015, https://arxiv.org/abs/1503.02531: softened answers, gradient scale kept."""
    return temperature**2 * F.kl_div(
        (logits / temperature).log_softmax(1),
        (teacher / temperature).log_softmax(1),
        log_target=True,
        reduction="batchmean",
    )


def agreement(similarity: Tensor, teacher: Tensor, match: Tensor) -> Tensor:
    """Mean correlation over space of each matched group with the teacher's group.

    Args:
        similarity: The student's, (N, G, h, w); mean 0, deviation 1 in each map.
        teacher: (N, G', h, w), likewise.
        match: (G,), the teacher's group of each, or -1.
    """
    with_one = match >= 0
    return (similarity[:, with_one].float() * teacher[:, match[with_one]]).mean()


def correlations(similarity: Tensor, teacher: Tensor) -> Tensor:
    """Of every group with every one of the teacher's, mean over the batch: (G, G')."""
    n, _, height, width = similarity.shape
    return torch.einsum("nghw,nkhw->gk", similarity.float(), teacher) / (n * height * width)


def matched(correlation: Tensor) -> Tensor:
    """Each of the teacher's groups to one of the student's, so that the correlations' sum is largest.

    Args:
        correlation: (G, G').

    Returns:
        (G,): the teacher's group of each, or -1 where the student has more groups.
    """
    rows, columns = linear_sum_assignment(correlation.cpu().numpy(), maximize=True)
    match = torch.full((len(correlation),), -1, dtype=torch.long)
    match[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return match.to(correlation.device)
