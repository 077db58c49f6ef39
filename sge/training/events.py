"""Progress of a training, as its callbacks receive it."""

from __future__ import annotations

from dataclasses import dataclass

from sge.training.gates import GateFacts


@dataclass(frozen=True)
class StepEvent:
    """Sent after each optimizer step."""

    step: int
    """Steps done, 1 after the first."""
    steps: int
    """Steps of the whole training."""
    epoch: int
    """Index of the current epoch, from 0."""
    loss: float
    """Sum of ``terms``."""
    terms: dict[str, float]
    """Weighted loss terms by name: labels, logits, features, similarity, flatness, openness."""
    lr: float
    """Learning rate of the first parameter group in the next step."""
    images_per_second: float
    """Mean since this process started or resumed the training."""
    seconds_left: float
    """Estimated time until the last step."""


@dataclass(frozen=True)
class EpochEvent:
    """Sent after each epoch."""

    epoch: int
    """Index of the epoch that has ended, from 0."""
    top1: float
    """Top-1 accuracy on the dev images, of the averaged weights if weights are averaged."""
    best: float
    """Highest ``top1`` so far."""
    loss: float
    """Mean loss over the epoch's steps."""
    seconds: float
    """Duration of the epoch."""
    gates: dict[str, GateFacts]
    """State of the gates, by block."""
    unreadable: int = 0
    """Images that could be read at first and no longer can; another one of its class replaced each."""
