"""Draws group maps over the image."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from sge.analysis.box_drawing import draw_boxes
from sge.analysis.colors import GROUP_COLORS, color_table, rgb
from sge.analysis.data import AnalysisData
from sge.analysis.part_drawing import draw_parts
from sge.analysis.scaling import is_flat, limits, stretched
from sge.arrays import Array
from sge.errors import ChoiceError

FLAT_NOTE = "  flat: the image does not change it"
_LEGEND_PAPER = (22, 24, 29, 216)


def draw_overlay(
    analysis: AnalysisData,
    block: str,
    group: int | Sequence[int],
    *,
    signal: str | None = None,
    colormap: str = "magma",
    opacity: float = 0.6,
    scale: str = "relative",
    legend: bool = True,
    boxes: bool = True,
    parts: bool = False,
) -> Image.Image:
    """The image with one group's map over it, or with several maps, each in its own color.

    Args:
        analysis: With its image.
        block: A block's name.
        group: One group's number, or up to six.
        signal: ``mask`` or ``similarity``; ``analysis.signal`` by default.
        colormap: One of ``sge.analysis.colors.COLOR_MAPS``; for a single group.
        opacity: 0 (the image alone) to 1.
        scale: ``relative`` or ``absolute``; see ``sge.analysis.scaling.limits``.
        legend: Whether to draw the color bar, or the legend of several groups, into the lower left corner.
        boxes: Whether to draw the analysis's boxes with labels and scores; see ``sge.analysis.box_drawing``.
        parts: Whether to draw rings around the analysis's parts, dashed where they are unsure; see
            ``sge.analysis.part_drawing``.

    Returns:
        RGB image of the original's size. What the network did not see (center framing) is unchanged.

    Raises:
        UnknownBlockError, UnknownGroupError, ChoiceError: a value that does not exist; the message lists those that do.
        AnalysisFileError: the analysis holds no image.
    """
    groups = _group_numbers(group)
    if not 1 <= len(groups) <= len(GROUP_COLORS):
        raise ChoiceError(f"{len(groups)} groups were asked for; choose 1 to {len(GROUP_COLORS)}.")
    if not 0 <= opacity <= 1:
        raise ChoiceError(f"opacity is {opacity}; choose 0 to 1.")
    table = color_table(colormap)
    image = analysis.require_image()
    signal = signal or analysis.signal
    maps = analysis.maps(block, signal)
    chosen = [analysis.group_map(block, number, signal) for number in groups]
    ends = [limits(maps, values, scale, signal) for values in chosen]
    window = _window(analysis)
    visible = image.crop(window)
    heat = [stretched(values, visible.size, *end) for values, end in zip(chosen, ends, strict=True)]
    if len(groups) == 1:
        drawn = Image.blend(visible, Image.fromarray(table[heat[0]]), opacity)
    else:
        drawn = _several(visible, heat, opacity)
    result = image.copy()
    result.paste(drawn, window[:2])
    if boxes:
        draw_boxes(result, analysis.boxes)
    if parts:
        draw_parts(result, analysis.parts)
    if legend:
        rows = zip(groups, chosen, ends, strict=True)
        texts = [_text(f"{block}/g{number}", values, end) for number, values, end in rows]
        _Legend(texts, f"{scale} scale", colormap).draw(result)
    return result


def _text(name: str, values: Array, ends: tuple[float, float]) -> str:
    return f"{name}  {ends[0]:.2f} to {ends[1]:.2f}{FLAT_NOTE if is_flat(values) else ''}"


def _several(image: Image.Image, heat: Sequence[npt.NDArray[np.uint8]], opacity: float) -> Image.Image:
    for color, values in zip(GROUP_COLORS, heat, strict=False):
        # Squared, so that a color shows where its group responds and not over the whole image.
        alpha = Image.fromarray(np.rint((values / 255.0) ** 2 * 255 * opacity).astype(np.uint8))
        image = Image.composite(Image.new("RGB", image.size, rgb(color)), image, alpha)
    return image


def _group_numbers(group: int | Sequence[int]) -> list[int]:
    several = isinstance(group, Sequence | np.ndarray) and not isinstance(group, str)
    try:
        return [operator.index(number) for number in (group if several else [group])]  # type: ignore[union-attr, arg-type]
    except TypeError:
        raise ChoiceError(f"group is {group!r}; give a whole number, or a list of them.") from None


def _window(analysis: AnalysisData) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(side) for side in analysis.geometry.window)
    width, height = analysis.geometry.image
    return max(left, 0), max(top, 0), min(max(right, left + 1), width), min(max(bottom, top + 1), height)


@dataclass(frozen=True)
class _Legend:
    """A color bar below one group's text, or a color square beside each of several; the scale's name below."""

    groups: list[str]
    scale: str
    colormap: str

    def draw(self, image: Image.Image) -> None:
        """Draws into the lower left corner, unless the image is too small for the texts."""
        single = len(self.groups) == 1
        unit = max(11, min(image.size) // 40)
        font = ImageFont.load_default(unit)
        draw = ImageDraw.Draw(image, "RGBA")
        indent = 0 if single else round(1.5 * unit)
        longest = max(draw.textlength(text, font) for text in (*self.groups, self.scale))
        width = max(22 * unit, unit + indent + math.ceil(longest))
        rows = len(self.groups) + 1 + single
        height = round((1.5 * rows + 0.8) * unit)
        if width > image.width or height > image.height // 2:
            return
        left, top = min(unit // 2, image.width - width), image.height - height - unit // 2
        draw.rounded_rectangle((left, top, left + width, top + height), unit // 2, fill=_LEGEND_PAPER)
        x, y = left + unit // 2, top + unit // 2
        row_tops = [y + round(1.5 * row * unit) for row in range(rows)]
        for number, text in enumerate(self.groups):
            if not single:
                square = (x, row_tops[number], x + unit, row_tops[number] + unit)
                draw.rectangle(square, fill=GROUP_COLORS[number])
            draw.text((x + indent, row_tops[number]), text, fill="white", font=font)
        if single:
            bar = Image.fromarray(color_table(self.colormap)[None, :, :]).resize((width - unit, unit))
            image.paste(bar, (x, row_tops[1]))
        draw.text((x, row_tops[-1]), self.scale, fill="white", font=font)
