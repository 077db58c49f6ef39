"""One predicted class."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """One predicted class."""

    label: str
    score: float
    """Softmax probability, 0 to 1, of the logits divided by the frame's temperature."""
    index: int
    raw_score: float | None = None
    """The same without a temperature; None in the record of an older version."""
