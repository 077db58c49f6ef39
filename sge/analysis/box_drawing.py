"""Draws the boxes of a detector over the image: a rectangle each, and its label with its score."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from sge.analysis.box import Box
from sge.text import shortened

MAX_DRAWN = 30
"""Number of boxes that are drawn, the best ones; more hide the image and each other."""
MAX_LETTERS = 40
"""Length of a label that is drawn; a longer one ends with an ellipsis."""
LEAST_SHARE = 0.25
"""Smallest score of a box that is drawn, as a share of the best one; detectors also give unlikely boxes."""
_LINE, _CASING, _PAPER = "white", (0, 0, 0, 150), (22, 24, 29, 216)
Edges = tuple[int, int, int, int]
"""First column and row, last column and row, in pixels."""
_WITH_SCORE = "{label}  {percent}"


def draw_boxes(image: Image.Image, boxes: Sequence[Box]) -> None:
    """Draws the best boxes into an image, the best one last, then their labels.

    Boxes whose score is far below the best are left out. A label that would cover one of a better box is left out.

    Args:
        image: Mode RGB, the upright image at its own size.
        boxes: In its pixels, best first. What lies outside of it is not drawn.
    """
    draw = ImageDraw.Draw(image, "RGBA")
    unit = max(10, min(image.size) // 45)
    font = ImageFont.load_default(unit)
    width = max(1, round(min(image.size) / 300))
    found = [
        (box, _edges(box, image.size))
        for box in boxes[:MAX_DRAWN]
        if box.score >= LEAST_SHARE * boxes[0].score
    ]
    drawn = [(box, edges) for box, edges in found if edges is not None]
    for _, edges in reversed(drawn):
        casing = tuple(edge + width * side for edge, side in zip(edges, (-1, -1, 1, 1), strict=True))
        draw.rectangle(casing, outline=_CASING, width=3 * width)
        draw.rectangle(edges, outline=_LINE, width=width)
    taken: list[Edges] = []
    for box, edges in drawn:
        _draw_label(draw, caption_of(box), edges, font, image.size, taken)


def caption_of(box: Box) -> str:
    """Label and score, such as ``dog  87 %``, on one line."""
    return _WITH_SCORE.format(label=shortened(box.label, MAX_LETTERS), percent=f"{100 * box.score:.0f} %")


def _edges(box: Box, size: tuple[int, int]) -> Edges | None:
    """The rectangle's first and last columns and rows inside the image; None if it lies outside."""
    left, top = max(0, round(box.x)), max(0, round(box.y))
    right = min(size[0], math.ceil(box.x + box.width)) - 1
    bottom = min(size[1], math.ceil(box.y + box.height)) - 1
    return (left, top, right, bottom) if right >= left and bottom >= top else None


def _draw_label(
    draw: ImageDraw.ImageDraw,
    text: str,
    edges: Edges,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
    taken: list[Edges],
) -> None:
    """Writes where no label is yet, and adds the place to ``taken``; not at all if it is wider than the image."""
    _, ascent, _, descent = draw.textbbox((0, 0), "Ag", font=font)
    width, height = math.ceil(draw.textlength(text, font)) + 6, math.ceil(descent + ascent / 2)
    if width > size[0] or height > size[1]:
        return
    places = _places(edges, (width, height), size)
    place = next((one for one in places if not any(_overlap(one, other) for other in taken)), None)
    if place is None:
        return
    taken.append(place)
    draw.rectangle(place, fill=_PAPER)
    draw.text((place[0] + 3, place[1]), text, fill="white", font=font)


def _places(edges: Edges, label: tuple[int, int], size: tuple[int, int]) -> list[Edges]:
    """Where a label of that width and height may stand in the image: above the rectangle, inside, or below."""
    (left, top, right, bottom), (width, height) = edges, label
    right, above = right + 1 - width, top - height
    corners = [(left, above if above >= 0 else top), (left, top), (right, above), (right, top)]
    corners += [(left, bottom - height), (left, bottom), (right, bottom)]
    starts = [(max(0, min(x, size[0] - width)), max(0, min(y, size[1] - height))) for x, y in corners]
    return [(x, y, x + width - 1, y + height - 1) for x, y in starts]


def _overlap(one: Edges, other: Edges) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
