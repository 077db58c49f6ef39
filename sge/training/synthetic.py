"""A synthetic data set of colored shapes in four classes, to try a training without any data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 48
COLORS = {
    "circle": (230, 60, 60),
    "cross": (240, 220, 60),
    "square": (70, 200, 90),
    "triangle": (90, 120, 240),
}
"""Each class has one shape and one color, so that a minute of training is enough."""
IMAGES = {"train": 24, "dev": 6}
"""Number of images in each class."""


def make_shapes_dataset(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Writes the folders ``train`` and ``dev`` in the ImageFolder layout; the same seed gives the same images.

    Args:
        folder: Parent of the two folders.
        seed: Decides positions, sizes and color variations.

    Returns:
        Paths of ``train`` and ``dev``.
    """
    random = np.random.default_rng(seed)
    for split, count in IMAGES.items():
        for shape in COLORS:
            target = folder / split / shape
            target.mkdir(parents=True, exist_ok=True)
            for i in range(count):
                _draw(shape, random).save(target / f"{i:02d}.png")
    return folder / "train", folder / "dev"


def _draw(shape: str, random: np.random.Generator) -> Image.Image:
    background = random.integers(0, 100, 3)
    image = Image.new("RGB", (SIDE, SIDE), tuple(int(v) for v in background))
    pen = ImageDraw.Draw(image)
    radius = int(random.integers(9, 15))
    x, y = (int(v) for v in random.integers(radius, SIDE - radius, 2))
    fill = tuple(int(v) for v in np.clip(COLORS[shape] + random.integers(-25, 26, 3), 0, 255))
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
