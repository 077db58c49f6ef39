"""How gates are awakened: every number that decides it, and what is said on the way."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from sge.errors import ChoiceError
from sge.images.framing import MAX_SIZE, MIN_SIZE


@dataclass(frozen=True)
class GateTuningConfig:
    """All that decides what is learned, beside the network and the images."""

    steps: int = 800
    seed: int = 0
    batch: int = 16
    """Crops a step."""
    sizes: tuple[int, ...] = (128, 128, 160, 192)
    """Sides of the crops in pixels; each serves an equal share of the steps, in this order."""
    weight_rate: float = 0.04
    bias_rate: float = 0.02
    norm_rate: float = 0.001
    """Adam's largest learning rates, for gates' weights and biases and norms."""
    warmup: float = 0.05
    """Part of the steps in which the rates rise to these; then they fall as a half cosine."""
    target_mask_std: float = 0.14
    """Standard deviation over space that each mask should reach."""
    flatness_weight: float = 2.0
    """Of a mask without any spread, in nats of divergence, when all masks are so."""
    openness_weight: float = 0.4
    """Of masks that are as open everywhere as at their maximum, in nats, when all are so."""
    feature_weight: float = 1.0
    """Of block outputs whose error is as large as their variance, in nats."""
    acting: tuple[str, ...] | None = None
    """Blocks whose masks have these prices; None: all. In the others the gates are free to sleep."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ChoiceError(f"steps is {self.steps} and batch {self.batch}; both must be at least 1.")
        if self.seed < 0:
            raise ChoiceError(f"seed is {self.seed}; choose a number from 0 on.")
        if not self.sizes or any(not MIN_SIZE <= size <= MAX_SIZE for size in self.sizes):
            raise ChoiceError(
                f"sizes are {self.sizes}; choose one or more of {MIN_SIZE} to {MAX_SIZE} pixels."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON; tuples as lists."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    def size_at(self, step: int) -> int:
        """Side of the crops at a step."""
        return self.sizes[step * len(self.sizes) // self.steps]

    def rate_at(self, step: int) -> float:
        """Fraction of the largest learning rates at a step."""
        rise = min(1.0, (step + 1) / max(1.0, self.warmup * self.steps))
        return rise * 0.5 * (1 + math.cos(math.pi * step / self.steps))


@dataclass(frozen=True)
class Report:
    """Where the training stands after a step."""

    step: int
    """Steps done."""
    steps: int
    images_per_second: float
    seconds_left: float
    losses: dict[str, float]
    """``answers``, ``features``, ``flat``, ``open``: without their prices."""
