"""``GateTuningConfig``: every number that decides a gate tuning."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from sge.errors import ChoiceError
from sge.images import MAX_SIZE, MIN_SIZE
from sge.training.loop_config import LoopConfig
from sge.training.losses import LossWeights
from sge.training.ranges import FRACTION, NOT_NEGATIVE, POSITIVE, SEED, check_ranges

RANGES = {
    "seed": SEED,
    "weight_lr": NOT_NEGATIVE,
    "bias_lr": NOT_NEGATIVE,
    "norm_lr": NOT_NEGATIVE,
    "warmup": FRACTION,
    "target_mask_std": POSITIVE,
    "flatness_weight": NOT_NEGATIVE,
    "openness_weight": NOT_NEGATIVE,
    "feature_weight": NOT_NEGATIVE,
}


@dataclass(frozen=True)
class GateTuningConfig:
    """Everything that decides the result of a gate tuning, beside the network, its teacher and the images."""

    version: ClassVar[int] = 2
    """Version of the settings' names and meanings; 1 had other names."""

    steps: int = 800
    seed: int = 0
    """Decides the crops."""
    batch: int = 16
    """Crops of a step."""
    sizes: tuple[int, ...] = (128, 128, 160, 192)
    """Sides of the crops in pixels; each serves an equal share of the steps, in this order."""
    weight_lr: float = 0.04
    """Adam's maximum learning rate of the gates' weights."""
    bias_lr: float = 0.02
    """Adam's maximum learning rate of the gates' biases."""
    norm_lr: float = 0.001
    """Adam's maximum learning rate of the batch norms' weights and biases."""
    warmup: float = 0.05
    """Fraction of the steps in which the learning rates rise linearly; a half cosine follows."""
    target_mask_std: float = 0.14
    """Standard deviation over space from which a mask adds nothing to the flatness loss."""
    flatness_weight: float = 2.0
    """Weight of the flatness loss: its value when every mask is constant, in nats."""
    openness_weight: float = 0.4
    """Weight of the openness loss: its value when every mask equals its maximum everywhere, in nats."""
    feature_weight: float = 1.0
    """Weight of the error of the block outputs: its value when the error equals the variance, in nats."""
    acting_blocks: tuple[str, ...] | None = None
    """Blocks whose masks enter the flatness and openness losses; None: all. Other gates may stay inactive."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ChoiceError(f"steps is {self.steps} and batch {self.batch}; both must be at least 1.")
        check_ranges(self, RANGES)
        if not self.sizes or any(not MIN_SIZE <= size <= MAX_SIZE for size in self.sizes):
            raise ChoiceError(
                f"sizes are {self.sizes}; choose one or more of {MIN_SIZE} to {MAX_SIZE} pixels."
            )

    def to_dict(self) -> dict[str, Any]:
        """Version and settings as plain data for JSON, tuples as lists."""
        settings = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }
        return {"version": self.version} | settings

    def size_at(self, step: int) -> int:
        """Side of the crops in the given step, in pixels."""
        return self.sizes[step * len(self.sizes) // self.steps]

    @property
    def loop(self) -> LoopConfig:
        """The numbers that the trainer reads: one epoch without labels, in eval mode."""
        losses = LossWeights(
            labels=0.0,
            logits=1.0,
            features=self.feature_weight,
            flatness=self.flatness_weight,
            target_mask_std=self.target_mask_std,
            openness=self.openness_weight,
            acting_blocks=self.acting_blocks,
        )
        return LoopConfig(
            1, self.batch, losses, warmup=self.warmup, positive_gates=True, frozen_statistics=True
        )
