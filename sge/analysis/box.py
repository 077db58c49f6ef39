"""One object that a detector finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """One object that a detector finds; the rectangle is in pixels of the upright original and lies inside it."""

    label: str
    score: float
    """The detector's score of the class, 0 to 1."""
    index: int
    """Number of the class, as the network counts: torchvision's detectors count the background as class 0."""
    x: float
    """Left side."""
    y: float
    """Upper side."""
    width: float
    height: float
