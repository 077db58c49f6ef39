"""Settings of gate tunings: a list of runs that share the time that there is, or that take a number of steps each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.gates.images import CropSettings

BEST = "best"
"""As ``base``: the finished run that scores best."""


@dataclass(frozen=True)
class GateRun:
    """Everything that decides one gate tuning, beside the images.

    Attributes:
        name: Prefix of its tensors in the result file.
        time: Part of the time, relative to that of the other runs.
        file: Number of the result file that it is written to; 0 writes none, but a later run can begin with it.
        compact: Whether the change of a convolution is written in 8 bits, with a scale for each output channel.
        steps: Number of steps that decide the schedule; 0 takes the time that there is. Only a run of steps resumes.
        base: Finished run whose settings and weights this run begins with, ``BEST``, or None. If there is no such run, the
            one that scores best.
        from_weights: With ``base``: take its weights too, not its settings alone.
        kinds: Convolutions that learn, of ``scripts.gates.lite0.KINDS``; gates and batch norms always do.
        weight_lr: Adam's maximum learning rate of the gates' weights, as the next three of the gates' biases, the batch
            norms and the convolutions. They are lower than in ``sge.GateTuningConfig``, because the steps are more.
        target_mask_std: Standard deviation over space from which a mask adds nothing to the flatness loss.
        ramp: Fraction of the time in which the target rises to this value from a tenth of it.
        acting_fraction: Fraction of a block's groups, those with the largest deviation, that the target holds for.
        weak_blocks: Blocks for whose masks ``weak_std`` is the target. At 0 nothing is asked of them.
        pooled_weight: Weight of the error of the classifier's input, relative to its variance.
        order_weight: Weight of the shortfall of the lead of the teacher's top class, whose target is at most 1 logit.
        gap_weight: Weight of the errors of the lead over the next four classes, most for images where it is small.
    """

    name: str
    time: float = 1.0
    file: int = 1
    compact: bool = True
    steps: int = 0
    base: str | None = None
    from_weights: bool = True
    seed: int = 0
    batch: int = 128
    sizes: tuple[int, ...] = (224, 224, 224, 288)
    kinds: tuple[str, ...] = ("expand", "depthwise", "project")
    weight_lr: float = 0.01
    bias_lr: float = 0.005
    norm_lr: float = 0.0005
    conv_lr: float = 0.00008
    warmup: float = 0.05
    target_mask_std: float = 0.12
    ramp: float = 0.3
    acting_fraction: float = 1.0
    weak_blocks: tuple[str, ...] = ()
    weak_std: float = 0.04
    flatness_weight: float = 2.0
    openness_weight: float = 0.1
    feature_weight: float = 1.0
    pooled_weight: float = 1.0
    order_weight: float = 1.0
    gap_weight: float = 0.3
    parts: dict[str, float] = field(default_factory=lambda: {"dogs": 0.45, "pets": 0.2, "others": 0.35})
    zoomed_out: float = 0.5
    blended: float = 0.25
    tiled: float = 0.06
    jitter: float = 0.2

    @property
    def crops(self) -> CropSettings:
        """What is drawn for each batch."""
        return CropSettings(self.parts, self.zoomed_out, self.blended, self.tiled, self.jitter)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def read_runs(path: Path) -> list[dict[str, Any]]:
    """The runs of a JSON file ``{"common": {...}, "runs": [{"name": ...}, ...]}``, in order.

    The common settings hold for runs without ``base``; the others have those of their base.
    """
    content = json.loads(path.read_text("utf-8"))
    return [run if run.get("base") else content.get("common", {}) | run for run in content["runs"]]


def make_run(settings: dict[str, Any], base: GateRun | None) -> GateRun:
    """One run.

    Args:
        settings: Of the JSON file.
        base: The run that it continues. Its settings hold where the file states no other in the run itself.
    """
    values: dict[str, Any] = (base.to_dict() if base else {}) | settings
    for key, value in values.items():
        if isinstance(value, list):
            values[key] = tuple(value)
    return GateRun(**values)
