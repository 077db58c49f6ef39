"""What a training says on its way."""

from __future__ import annotations

from dataclasses import dataclass

from sge.training.gates import GateFacts


@dataclass(frozen=True)
class StepReport:
    """Where the training stands after a step."""

    step: int
    steps: int
    epoch: int
    loss: float
    parts: dict[str, float]
    rate: float
    images_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class EpochReport:
    """What an epoch came to."""

    epoch: int
    top1: float
    """On the dev images, of the averaged weights where there are some."""
    best: float
    loss: float
    seconds: float
    gates: dict[str, GateFacts]
    broken: int = 0
    """Images that could not be read so far, in this run; others stood for them."""
