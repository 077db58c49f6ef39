"""Drawn images of four classes, so that a training can be tried without any data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 48
INKS = {"circle": (230, 60, 60), "cross": (240, 220, 60), "square": (70, 200, 90), "triangle": (90, 120, 240)}
"""Shape and colour go together, so that a minute is enough to learn them."""
IMAGES = {"train": 24, "dev": 6}
"""Images of each class."""


def draw_set(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Writes ``train`` and ``dev``, each an ImageFolder tree; the same every time.

    Args:
        folder: Where to.
        seed: Decides places, sizes and colours.

    Returns:
        The two folders.
    """
    random = np.random.default_rng(seed)
    for part, count in IMAGES.items():
        for shape in INKS:
            target = folder / part / shape
            target.mkdir(parents=True, exist_ok=True)
            for i in range(count):
                _drawn(shape, random).save(target / f"{i:02d}.png")
    return folder / "train", folder / "dev"


def _drawn(shape: str, random: np.random.Generator) -> Image.Image:
    ground = random.integers(0, 100, 3)
    image = Image.new("RGB", (SIDE, SIDE), tuple(int(v) for v in ground))
    pen = ImageDraw.Draw(image)
    radius = int(random.integers(9, 15))
    x, y = (int(v) for v in random.integers(radius, SIDE - radius, 2))
    fill = tuple(int(v) for v in np.clip(INKS[shape] + random.integers(-25, 26, 3), 0, 255))
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "circle":
        pen.ellipse(box, fill)
    elif shape == "square":
        pen.rectangle(box, fill)
    elif shape == "triangle":
        pen.polygon([(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)], fill)
    else:
        pen.line((x - radius, y - radius, x + radius, y + radius), fill, 4)
        pen.line((x - radius, y + radius, x + radius, y - radius), fill, 4)
    return image
