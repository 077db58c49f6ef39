"""What the trainer needs to know of a configuration: the numbers of the optimization loop."""

from __future__ import annotations

from dataclasses import dataclass

from sge.training.losses import LossWeights


@dataclass(frozen=True)
class LoopConfig:
    """Numbers of the loop; ``TrainConfig`` and ``GateTuningConfig`` each make one."""

    epochs: int
    batch: int
    """Images of a step, over all processes and micro-batches."""
    losses: LossWeights
    accumulate: int = 1
    """Micro-batches of a step in each process."""
    schedule: str = "cosine"
    warmup: float = 0.05
    """Fraction of the steps in which the learning rate rises linearly."""
    clip: float = 0.0
    """Largest norm of the gradient; 0: not clipped."""
    ema: float = 0.0
    """Decay of the exponential moving average of the weights in each step; 0: no average."""
    precision: str = "float32"
    """As ``sge.devices.autocast`` takes it."""
    positive_gates: bool = False
    """Clamp SGE's weights to 0 or above after each step."""
    frozen_statistics: bool = False
    """Train in eval mode: batch norms use and keep their running statistics."""
