"""Draws maps: over the picture, as a contact sheet of a block's groups, and both on one sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from sge.analysis import Analysis, Array
from sge.errors import ChoiceError, check_choice
from sge.palette import GROUP_COLOURS, colour_table, rgb

SCALES = ("relative", "absolute")
FLAT = 1e-4
"""A map that spans less than this is marked as flat: the picture does not move it."""
_INK, _PAPER, _FAINT = "#16181d", "#ffffff", "#6b7280"


def is_flat(values: Array) -> bool:
    """Whether a map is the same everywhere: a sleeping gate, or a picture without contrast there."""
    return bool(values.max() - values.min() < FLAT)


def limits(maps: Array, values: Array, scale: str) -> tuple[float, float]:
    """What the ends of the colour bar mean.

    ``absolute``: the smallest and largest value of the whole block, so that its groups compare.
    ``relative``: of this map alone, so that its pattern shows.
    """
    check_choice("scale", scale, SCALES)
    source = maps if scale == "absolute" else values
    return float(source.min()), float(source.max())


def overlay(
    analysis: Analysis,
    block: str,
    group: int | Sequence[int],
    *,
    signal: str | None = None,
    colormap: str = "magma",
    opacity: float = 0.6,
    scale: str = "relative",
    legend: bool = True,
) -> Image.Image:
    """The picture with one group's map over it; with several groups, each glows in its own colour.

    Args:
        analysis: With its picture.
        block: A block's name.
        group: One group's number, or up to six.
        signal: ``mask`` or ``similarity``; by default what the analysis opens with.
        colormap: One of ``sge.palette.COLOUR_MAPS``; for a single group.
        opacity: 0 (picture alone) to 1.
        scale: ``relative`` or ``absolute``; see ``limits``.
        legend: Draw the colour bar, or the groups' legend, into the lower left corner.

    Returns:
        RGB image of the original's size. What the network did not see (centre framing) stays as it was.

    Raises:
        UnknownBlockError, UnknownGroupError, ChoiceError: a value that is not there; the message lists those that are.
        AnalysisFileError: the analysis holds no picture.
    """
    groups = [group] if isinstance(group, int) else list(group)
    if not 1 <= len(groups) <= len(GROUP_COLOURS):
        raise ChoiceError(f"{len(groups)} groups were asked for; choose 1 to {len(GROUP_COLOURS)}.")
    if not 0 <= opacity <= 1:
        raise ChoiceError(f"opacity is {opacity}; choose 0 to 1.")
    picture = analysis.require_image()
    maps = analysis.maps(block, signal)
    chosen = [analysis.group_map(block, number, signal) for number in groups]
    ends = [limits(maps, values, scale) for values in chosen]
    window = _window(analysis)
    seen = picture.crop(window)
    heat = [_stretch(values, seen.size, *end) for values, end in zip(chosen, ends, strict=True)]
    if len(groups) == 1:
        coloured = Image.fromarray(colour_table(colormap)[heat[0]])
        drawn = Image.blend(seen, coloured, opacity)
    else:
        drawn = seen
        for colour, values in zip(GROUP_COLOURS, heat, strict=False):
            alpha = Image.fromarray(np.rint(values * opacity).astype(np.uint8))
            drawn = Image.composite(Image.new("RGB", seen.size, rgb(colour)), drawn, alpha)
    result = picture.copy()
    result.paste(drawn, window[:2])
    if legend:
        _legend(result, block, groups, ends, colormap, scale, [is_flat(values) for values in chosen])
    return result


def _window(analysis: Analysis) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(side) for side in analysis.geometry.window)
    width, height = analysis.geometry.picture
    return max(left, 0), max(top, 0), min(max(right, left + 1), width), min(max(bottom, top + 1), height)


def _stretch(values: Array, size: tuple[int, int], lo: float, hi: float) -> npt.NDArray[np.uint8]:
    """A map in 0..255 at the given size (width, height), smooth between cells; a flat map is all 0."""
    span = hi - lo
    unit = (values - lo) / span if span > FLAT else np.zeros_like(values)
    smooth = Image.fromarray(np.ascontiguousarray(unit, np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.rint(np.asarray(smooth).clip(0, 1) * 255).astype(np.uint8)


def _legend(
    image: Image.Image,
    block: str,
    groups: Sequence[int],
    ends: Sequence[tuple[float, float]],
    colormap: str,
    scale: str,
    flat: Sequence[bool],
) -> None:
    """Lower left corner; left out where the picture is too small for words."""
    unit = max(11, min(image.size) // 40)
    lines = len(groups) + (1 if len(groups) > 1 else 2)
    width, height = 22 * unit, round((lines * 1.5 + 0.8) * unit)
    if width > image.width or height > image.height // 2:
        return
    draw = ImageDraw.Draw(image, "RGBA")
    font = ImageFont.load_default(unit)
    left, top = unit // 2, image.height - height - unit // 2
    draw.rounded_rectangle((left, top, left + width, top + height), unit // 2, fill=(22, 24, 29, 216))
    x, y = left + unit // 2, top + unit // 2
    if len(groups) == 1:
        note = " (flat: the picture does not move it)" if flat[0] else ""
        draw.text((x, y), f"{block}/g{groups[0]}{note}", fill="white", font=font)
        bar = Image.fromarray(colour_table(colormap)[None, :, :]).resize((width - unit, unit))
        image.paste(bar, (x, round(y + 1.5 * unit)))
        lo, hi = ends[0]
        draw.text((x, y + 3 * unit), f"{lo:.2f} to {hi:.2f}, {scale} scale", fill="white", font=font)
        return
    for i, number in enumerate(groups):
        row = y + round(1.5 * i * unit)
        draw.rectangle((x, row, x + unit, row + unit), fill=GROUP_COLOURS[i])
        text = f"{block}/g{number}  {ends[i][0]:.2f} to {ends[i][1]:.2f}{'  flat' if flat[i] else ''}"
        draw.text((x + 1.5 * unit, row), text, fill="white", font=font)
    draw.text((x, y + round(1.5 * len(groups) * unit)), f"{scale} scale", fill="white", font=font)


def contact_sheet(
    analysis: Analysis,
    block: str,
    *,
    signal: str | None = None,
    colormap: str = "magma",
    scale: str = "relative",
    groups: Sequence[int] | None = None,
    width: int = 1280,
) -> Image.Image:
    """Every group of a block as a small picture, by number, with the colour bar's meaning on top.

    Args:
        analysis: Its picture is not needed.
        block: A block's name.
        signal: ``mask`` or ``similarity``.
        colormap: One of ``sge.palette.COLOUR_MAPS``.
        scale: ``relative`` or ``absolute``; see ``limits``.
        groups: Which groups; all by default.
        width: Of the sheet, in pixels.

    Raises:
        UnknownBlockError, IndexError, ChoiceError: a value that is not there.
    """
    maps = analysis.maps(block, signal)
    table = colour_table(colormap)
    numbers = list(range(len(maps))) if groups is None else list(groups)
    _, rows, cols = maps.shape
    columns = max(1, round(math.sqrt(len(numbers) * rows / cols * 1.6)))
    gap, label = 8, 18
    tile_width = max(24, min(240, (width - gap) // columns - gap))
    tile_height = max(8, round(tile_width * rows / cols))
    head = 64
    height = head + math.ceil(len(numbers) / columns) * (tile_height + label + gap) + gap
    sheet = Image.new("RGB", (columns * (tile_width + gap) + gap, height), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    _head(draw, sheet, analysis, block, signal or analysis.signal, maps, table, scale)
    for place, number in enumerate(numbers):
        values = maps[number]
        row, col = divmod(place, columns)
        x, y = gap + col * (tile_width + gap), head + row * (tile_height + label + gap)
        lo, hi = limits(maps, values, scale)
        tile = Image.fromarray(table[_stretch(values, (tile_width, tile_height), lo, hi)])
        sheet.paste(tile, (x, y))
        if is_flat(values):
            draw.line((x, y, x + tile_width, y + tile_height), fill=_FAINT)
        draw.text(
            (x, y + tile_height + 2), f"g{number}{' flat' if is_flat(values) else ''}", fill=_INK, font=font
        )
    return sheet


def _head(
    draw: ImageDraw.ImageDraw,
    sheet: Image.Image,
    analysis: Analysis,
    block: str,
    signal: str,
    maps: Array,
    table: npt.NDArray[np.uint8],
    scale: str,
) -> None:
    meaning = (
        f"{maps.min():.2f} to {maps.max():.2f}"
        if scale == "absolute"
        else "each group's own smallest to largest"
    )
    draw.text(
        (8, 6), f"{analysis.model.title}  ·  {block}  ·  {signal}", fill=_INK, font=ImageFont.load_default(16)
    )
    sheet.paste(Image.fromarray(table[None, :, :]).resize((160, 12)), (8, 34))
    draw.text((176, 31), f"{scale} scale: {meaning}", fill=_FAINT, font=ImageFont.load_default(13))


def summary(analysis: Analysis, *, signal: str | None = None) -> Image.Image:
    """The picture with its most focused group, the classes, and the default block's groups, on one sheet.

    Raises:
        AnalysisFileError: the analysis holds no picture.
    """
    block = analysis.default_block
    group = int(np.argmax(analysis.focus(block)))
    picture = overlay(analysis, block, group, signal=signal, legend=False)
    height = 640
    picture = picture.resize((max(1, min(1280, round(picture.width * height / picture.height))), height))
    wall = contact_sheet(analysis, block, signal=signal)
    text = 26 * (len(analysis.predictions) + 2)
    sheet = Image.new("RGB", (picture.width + wall.width + 24, max(height + text, wall.height) + 16), _PAPER)
    sheet.paste(picture, (8, 8))
    sheet.paste(wall, (picture.width + 16, 8))
    draw = ImageDraw.Draw(sheet)
    draw.text(
        (8, height + 16),
        f"{block}/g{group}, the block's most focused group",
        fill=_FAINT,
        font=ImageFont.load_default(14),
    )
    for i, one in enumerate(analysis.predictions):
        draw.text(
            (8, height + 42 + 26 * i),
            f"{100 * one.score:5.1f} %   {one.label}",
            fill=_INK,
            font=ImageFont.load_default(18),
        )
    return sheet
