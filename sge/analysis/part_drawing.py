"""Draws the parts over the image: a ring around each, dashed where it is unsure, and the numbers of several faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from sge.analysis.colors import PART_COLORS, rgb
from sge.parts import Part

MIN_RADIUS, MAX_RADIUS = 0.017, 0.2
"""Of a ring, as shares of the image's shorter side."""
NEIGHBOR_SHARE = 0.46
"""A ring's largest radius as a share of the distance to the nearest other part, so that no two overlap."""
MIN_DASHES = 6
_CASING, _PAPER = (0, 0, 0, 130), (22, 24, 29, 216)
LIGHTER = 0.4
"""How much white the color of an unsure part's ring has."""


@dataclass(frozen=True)
class _Ring:
    part: Part
    radii: tuple[float, float]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        (across, down), part = self.radii, self.part
        return part.x - across, part.y - down, part.x + across, part.y + down


def draw_parts(image: Image.Image, parts: Sequence[Part]) -> None:
    """Draws rings into an image, and above each of several faces its number, counted from 1.

    Args:
        image: Mode RGB, the upright image at its own size.
        parts: In its pixels. What lies outside of it is not drawn.
    """
    draw = ImageDraw.Draw(image, "RGBA")
    line = max(1, round(min(image.size) / 300))
    rings = [_ring(part, parts, min(image.size)) for part in parts]
    for ring in rings:
        _draw_ring(draw, ring, line)
    faces = sorted({part.face for part in parts})
    if len(faces) > 1:
        font = ImageFont.load_default(max(11, min(image.size) // 40))
        for face in faces:
            _number(draw, face, [ring.box for ring in rings if ring.part.face == face], font, image.size)


def _ring(part: Part, parts: Sequence[Part], short: int) -> _Ring:
    others = [math.hypot(other.x - part.x, other.y - part.y) for other in parts if other is not part]
    free = NEIGHBOR_SHARE * min(others, default=math.inf)
    sides = (part.box.right - part.box.left, part.box.bottom - part.box.top)
    across, down = (max(MIN_RADIUS * short, min(MAX_RADIUS * short, free, side / 2), 1.0) for side in sides)
    return _Ring(part, (across, down))


def _draw_ring(draw: ImageDraw.ImageDraw, ring: _Ring, line: int) -> None:
    kind = "eye" if ring.part.name.endswith("_eye") else ring.part.name
    color: tuple[int, ...] = rgb(PART_COLORS.get(kind, PART_COLORS["nose"]))
    if not ring.part.sure:
        color = tuple(round(value + LIGHTER * (255 - value)) for value in color)
    left, top, right, bottom = ring.box
    casing = (left - line, top - line, right + line, bottom + line)
    for start, end in _arcs(ring, line):
        draw.arc(casing, start, end, fill=_CASING, width=3 * line)
        draw.arc(ring.box, start, end, fill=color, width=line)


def _arcs(ring: _Ring, line: int) -> list[tuple[float, float]]:
    """First and last angle in degrees: all around, or of each dash of an unsure part."""
    if ring.part.sure:
        return [(0, 360)]
    count = max(MIN_DASHES, round(math.pi * sum(ring.radii) / (10 * line)))
    return [(360 * k / count, 360 * (k + 0.55) / count) for k in range(count)]


def _number(
    draw: ImageDraw.ImageDraw,
    face: int,
    boxes: Sequence[tuple[float, float, float, float]],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
) -> None:
    """Writes the number above the face's rings, or below them where there is no room."""
    text = str(face + 1)
    _, ascent, _, descent = draw.textbbox((0, 0), text, font=font)
    width, height = math.ceil(draw.textlength(text, font)) + 8, math.ceil(descent + ascent / 2)
    middle = (min(box[0] for box in boxes) + max(box[2] for box in boxes)) / 2
    x = max(0, min(round(middle - width / 2), size[0] - width))
    above = round(min(box[1] for box in boxes)) - height - 2
    y = above if above >= 0 else min(round(max(box[3] for box in boxes)) + 2, size[1] - height)
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=_PAPER)
    draw.text((x + 4, y), text, fill="white", font=font)
