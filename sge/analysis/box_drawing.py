"""Draws the boxes of a detector over the image: a rectangle each, and its label with its score."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from sge.analysis.box import Box
from sge.text import printable

MAX_DRAWN = 30
"""Number of boxes that are drawn, the best ones; more hide the image and each other."""
MAX_LETTERS = 40
"""Length of a label that is drawn; a longer one ends with an ellipsis."""
_LINE, _CASING, _PAPER = "white", (0, 0, 0, 150), (22, 24, 29, 216)
_WITH_SCORE = "{label}  {percent}"


def draw_boxes(image: Image.Image, boxes: Sequence[Box]) -> None:
    """Draws the best boxes into an image, the best one last, so that its label is not covered.

    Args:
        image: Mode RGB, the upright image at its own size.
        boxes: In its pixels, best first. What lies outside of it is not drawn.
    """
    draw = ImageDraw.Draw(image, "RGBA")
    unit = max(10, min(image.size) // 45)
    font = ImageFont.load_default(unit)
    width = max(1, round(min(image.size) / 300))
    for box in reversed(boxes[:MAX_DRAWN]):
        edges = _edges(box, image.size)
        if edges is None:
            continue
        casing = tuple(edge + width * side for edge, side in zip(edges, (-1, -1, 1, 1), strict=True))
        draw.rectangle(casing, outline=_CASING, width=3 * width)
        draw.rectangle(edges, outline=_LINE, width=width)
        _draw_label(draw, label_of(box), edges, font, image.size)


def label_of(box: Box) -> str:
    """Label and score, such as ``dog  87 %``, on one line."""
    label = printable(box.label)
    if len(label) > MAX_LETTERS:
        label = label[: MAX_LETTERS - 1] + "\u2026"
    return _WITH_SCORE.format(label=label, percent=f"{100 * box.score:.0f} %")


def _edges(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The rectangle's first and last columns and rows inside the image; None if it lies outside."""
    left, top = max(0, round(box.x)), max(0, round(box.y))
    right = min(size[0], math.ceil(box.x + box.width)) - 1
    bottom = min(size[1], math.ceil(box.y + box.height)) - 1
    return (left, top, right, bottom) if right >= left and bottom >= top else None


def _draw_label(
    draw: ImageDraw.ImageDraw,
    text: str,
    edges: tuple[int, int, int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
) -> None:
    """Writes above the rectangle, or inside where there is no room; not at all if it is wider than the image."""
    _, ascent, _, descent = draw.textbbox((0, 0), "Ag", font=font)
    width, height = math.ceil(draw.textlength(text, font)) + 6, math.ceil(descent + ascent / 2)
    if width > size[0] or height > size[1]:
        return
    left = min(edges[0], size[0] - width)
    top = edges[1] - height if edges[1] >= height else min(edges[1], size[1] - height)
    draw.rectangle((left, top, left + width - 1, top + height - 1), fill=_PAPER)
    draw.text((left + 3, top), text, fill="white", font=font)
