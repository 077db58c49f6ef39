"""What groups do to a prediction, as plain data: ablations, attributions, Grad-CAM, and the steps of one mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from sge.analysis.prediction import Prediction
from sge.arrays import Array

MODES = ("mean", "zero", "only")
"""How ``Ablation`` changes the chosen groups: flat mask, removed, or the only ones that are kept."""
METHODS = ("gradient", "ablation")
"""How an effect was obtained: to first order from one backward pass, or measured by removing each group."""
Groups = dict[str, list[int]]
"""Block name to the numbers of its chosen groups."""


@dataclass(frozen=True, eq=False)
class Ablation:
    """Scores of every class before and after groups were ablated, and with random groups in their place.

    Probabilities divide the logits by the frame's temperature, as ``Analysis.predictions`` does.
    """

    before: Array
    """(classes,), float32, probabilities of the unchanged network."""
    after: Array
    """(classes,), float32, probabilities with the chosen groups ablated."""
    controls: Array
    """(draws, classes), float32, probabilities with equally many random groups of the same blocks ablated."""
    logits_before: Array
    """(classes,), float32; the logits below have the shapes of the probabilities above."""
    logits_after: Array
    logits_controls: Array
    mode: str
    """``mean``, ``zero`` or ``only``."""
    groups: Groups
    """The chosen groups."""
    control_groups: list[Groups]
    """The random groups of each draw."""
    labels: list[str]
    """Label of each class."""
    seed: int = 0
    """Seed of the draws."""


@dataclass(frozen=True, eq=False)
class GradCam:
    """Grad-CAM of one class (Selvaraju et al., ICCV 2017), computed by Captum."""

    map: Array
    """(h, w), float32, 0 or above; the cells divide the geometry's window evenly."""
    layer: str
    """Path of the module whose output the map weights: as a rule the last one with a spatial map."""


@dataclass(frozen=True, eq=False)
class Attribution(Mapping[str, Array]):
    """Effect of every group on the logit of one class: block name to (G,), float32.

    Positive: the group raises the logit, which falls by about this much when the group is removed (mode ``zero``).
    """

    target: Prediction
    """The class."""
    logit: float
    """Its logit, before any temperature."""
    effect: dict[str, Array]
    """Block name to (G,), float32: gradient x activation, or the measured drop of the logit (see ``method``)."""
    spatial: dict[str, Array]
    """Block name to (G,), float32: gradient x (mask - its mean over space), the first-order effect of mode ``mean``; of an
    exported model the measured effect of that mode."""
    method: dict[str, Literal["gradient", "ablation"]]
    """Block name to how ``effect`` was obtained."""
    grad_cam: GradCam | None = field(default=None)

    def __getitem__(self, block: str) -> Array:
        return self.effect[block]

    def __iter__(self) -> Iterator[str]:
        return iter(self.effect)

    def __len__(self) -> int:
        return len(self.effect)


@dataclass(frozen=True, eq=False)
class GroupSteps:
    """How one group's mask is made from its features (eq. 1-5 of the paper), with the real arrays of one image."""

    block: str
    group: int
    features: Array
    """(C/G, h, w), float32, the group's channels before the mask."""
    mean: Array
    """(C/G,), float32, their mean over space (eq. 1)."""
    product: Array
    """(h, w), float32, dot product of each position's features with the mean (eq. 2)."""
    similarity: Array
    """(h, w), float32, ``product`` standardized over space (eq. 3)."""
    mask: Array
    """(h, w), float32, sigmoid(weight * similarity + bias) (eq. 4-5)."""
    output: Array
    """(C/G, h, w), float32, features times mask."""
    weight: float
    bias: float

    def __post_init__(self) -> None:
        if self.features.shape != self.output.shape or np.shape(self.mask) != self.features.shape[1:]:
            raise ValueError(f"steps of {self.block}/g{self.group} whose shapes do not belong together")
