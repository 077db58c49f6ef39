"""Draws all groups of a block on one sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from sge.analysis.colors import color_table
from sge.analysis.data import AnalysisData
from sge.analysis.scaling import is_flat, limits, stretched

MAX_TILE = (240, 480)
"""Maximum width and height of a group's tile, in pixels."""
MIN_LABEL_WIDTH = 24
"""Width that a group's number needs, in pixels."""
MIN_SHEET_WIDTH = 420
"""Width below which the sheet's head would be cut off, in pixels."""
INK, PAPER, FAINT = "#16181d", "#ffffff", "#6b7280"
_GAP, _LABEL_HEIGHT, _HEAD_HEIGHT = 8, 18, 64


@dataclass(frozen=True)
class _Layout:
    """Positions of the tiles on a sheet, in pixels."""

    columns: int
    tile: tuple[int, int]
    """Width and height of a tile."""

    @property
    def step(self) -> int:
        """Horizontal distance of two tiles."""
        return max(self.tile[0], MIN_LABEL_WIDTH) + _GAP

    def size(self, count: int) -> tuple[int, int]:
        """Width and height of the sheet for a number of tiles."""
        height = _HEAD_HEIGHT + math.ceil(count / self.columns) * self._row_height + _GAP
        return max(self.columns * self.step + _GAP, MIN_SHEET_WIDTH), height

    def corner(self, position: int) -> tuple[int, int]:
        """Upper left corner of a tile."""
        row, column = divmod(position, self.columns)
        return _GAP + column * self.step, _HEAD_HEIGHT + row * self._row_height

    @property
    def _row_height(self) -> int:
        return self.tile[1] + _LABEL_HEIGHT + _GAP


def draw_contact_sheet(
    analysis: AnalysisData,
    block: str,
    *,
    signal: str | None = None,
    colormap: str = "magma",
    scale: str = "relative",
    groups: Sequence[int] | None = None,
    width: int = 1280,
) -> Image.Image:
    """Every group of a block as a small image with its number; the head states the scale of the color bar.

    Args:
        analysis: Its image is not needed.
        block: A block's name.
        signal: ``mask`` or ``similarity``; ``analysis.signal`` by default.
        colormap: One of ``sge.analysis.colors.COLOR_MAPS``.
        scale: ``relative`` or ``absolute``; see ``sge.analysis.scaling.limits``.
        groups: Numbers of the groups; all by default.
        width: Of the sheet, in pixels.

    Raises:
        UnknownBlockError, UnknownGroupError, ChoiceError: a value that does not exist.
    """
    signal = signal or analysis.signal
    maps = analysis.maps(block, signal)
    table = color_table(colormap)
    numbers = list(range(len(maps))) if groups is None else list(groups)
    layout = _layout(len(numbers), maps.shape[1], maps.shape[2], width - _GAP)
    sheet = Image.new("RGB", layout.size(len(numbers)), PAPER)
    draw = ImageDraw.Draw(sheet)
    lo, hi = limits(maps, maps, "absolute", signal)
    start = "0" if signal == "similarity" else "each group's own smallest"
    ends = f"{lo:.2f} to {hi:.2f}" if scale == "absolute" else f"{start} to each group's largest"
    bar = Image.fromarray(table[None, :, :])
    title = f"{analysis.model.title}  ·  {block}  ·  {signal}"
    draw.text((8, 6), title, fill=INK, font=ImageFont.load_default(16))
    sheet.paste(bar.resize((160, 12)), (8, 34))
    draw.font = ImageFont.load_default(13)
    draw.text((176, 31), f"{scale} scale: {ends}", fill=FAINT)
    for position, number in enumerate(numbers):
        values = analysis.group_map(block, number, signal)
        colors = table[stretched(values, layout.tile, *limits(maps, values, scale, signal))]
        sheet.paste(Image.fromarray(colors), layout.corner(position))
        _draw_label(draw, layout, position, number, is_flat(values))
    return sheet


def _layout(count: int, rows: int, cols: int, width: int) -> _Layout:
    """Tiles with the maps' aspect ratio, at most ``MAX_TILE`` large, in rows of about the sheet's width."""
    fitting = max(1, min(count, round(math.sqrt(count * rows / cols * 1.6))))
    tile_width = min(MAX_TILE[0], max(MIN_LABEL_WIDTH, width // fitting - _GAP))
    if tile_width * rows > MAX_TILE[1] * cols:
        tile_width = max(2, round(MAX_TILE[1] * cols / rows))
    columns = max(1, min(count, width // (max(tile_width, MIN_LABEL_WIDTH) + _GAP)))
    return _Layout(columns, (tile_width, max(2, round(tile_width * rows / cols))))


def _draw_label(draw: ImageDraw.ImageDraw, layout: _Layout, position: int, number: int, flat: bool) -> None:
    x, y = layout.corner(position)
    width, height = layout.tile
    if flat:
        draw.line((x, y, x + width, y + height), fill=FAINT)
    label = f"g{number} flat" if flat else f"g{number}"
    if draw.textlength(label) > layout.step:
        label = str(number)
    draw.text((x, y + height + 2), label, fill=INK)
