"""Logits of made-up faces at several sizes, as a detector would give them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sge.images import Box, Geometry
from sge.parts import PartLogits

IMAGE = (1024, 768)
SIZES = (192, 384)
"""Shorter sides at which the faces are looked at; cells of 64 and 32 pixels of the image."""
LOW, HIGH = -7.0, 5.0


@dataclass(frozen=True)
class MadeFace:
    """A face of a nose and two eyes."""

    x: float
    """Of the nose, in pixels of the image."""
    y: float
    size: int
    """Of ``SIZES``: where its parts are highest."""
    height: float = HIGH
    """Logit of its parts."""

    @property
    def cell(self) -> float:
        return min(IMAGE) / self.size * 16

    @property
    def points(self) -> dict[str, tuple[float, float]]:
        """Name to (x, y): where the offsets of ``made_detectors.PAIRS`` are likely."""
        return {
            "nose": (self.x, self.y),
            "left_eye": (self.x - 1.5 * self.cell, self.y - 2.7 * self.cell),
            "right_eye": (self.x + 1.5 * self.cell, self.y - 2.7 * self.cell),
        }


def logits_of(faces: list[MadeFace], low: float = LOW) -> list[PartLogits]:
    """Low maps with a bump at every part, one ``PartLogits`` for each of ``SIZES``."""
    width, height = IMAGE
    found = []
    for size in SIZES:
        cell = height / size * 16
        rows, cols = round(height / cell), round(width / cell)
        x, y = (np.arange(cols) + 0.5) * cell, (np.arange(rows) + 0.5) * cell
        maps = np.full((2, rows, cols), low)
        for face in faces:
            lower = 0.0 if face.size == size else 6.0
            for name, (px, py) in face.points.items():
                squared = ((x[None] - px) ** 2 + (y[:, None] - py) ** 2) / (2 * (0.7 * face.cell) ** 2)
                row = 0 if name == "nose" else 1
                maps[row] = np.maximum(maps[row], low + (face.height - lower - low) * np.exp(-squared))
        geometry = Geometry(
            IMAGE, (cols * 16, rows * 16), Box(0.0, 0.0, float(width), float(height)), "whole"
        )
        found.append(PartLogits(maps.astype(np.float32), geometry))
    return found
