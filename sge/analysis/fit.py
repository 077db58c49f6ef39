"""Whether any class of the model fits the image."""

from __future__ import annotations

from dataclasses import dataclass, field

from sge.analysis.box import Box
from sge.analysis.prediction import Prediction


@dataclass(frozen=True)
class Fit:
    """A score that says whether any class fits, and its measured threshold."""

    fits: bool
    """False if the score is below the threshold: the predicted class is then the nearest one, and probably wrong."""
    score: float
    """Of the logits before any temperature; larger where a class fits better."""
    threshold: float
    """Of the model's card, for the image's framing."""
    sentence: str
    """What a viewer says if no class fits."""


@dataclass(frozen=True)
class Classification:
    """The best classes of one image, and whether any class fits it."""

    predictions: list[Prediction]
    """Best first; empty for a network without logits and for a model without labels."""
    fit: Fit | None
    """None if the model has no threshold."""
    notes: tuple[str, ...] = ()
    """What the image's decoder warned about or assumed, as full sentences, and what the network's output is not read as."""
    boxes: list[Box] = field(default_factory=list)
    """What a detector finds, best first; empty for other networks."""
    is_detector: bool = False
    """Whether the network gives boxes; without boxes, it found nothing."""
