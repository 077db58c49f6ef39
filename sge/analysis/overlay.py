"""Draws maps: over the image, as a contact sheet of a block's groups, and both on one sheet."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from sge.analysis.analysis import Analysis
from sge.analysis.colors import GROUP_COLOURS, colour_table, rgb
from sge.arrays import Array
from sge.errors import ChoiceError, check_choice

SCALES = ("relative", "absolute")
FLAT = 1e-4
"""A map that spans less than this is marked as flat: the image does not move it."""
FLAT_NOTE = "  flat: the image does not move it"
_BAR = ""
LARGEST_IMAGE = (1280, 640)
"""Width and height that the image has at most on a summary."""
LARGEST_TILE = (240, 480)
"""Width and height that a group has at most on a sheet."""
LEAST_LABEL = 24
"""Width in pixels that a group's number needs."""
MIN_SHEET = 420
"""Width in pixels below which a contact sheet's head would be cut off."""
_INK, _PAPER, _FAINT = "#16181d", "#ffffff", "#6b7280"


def is_flat(values: Array) -> bool:
    """Whether a map is the same everywhere: a inactive gate, or an image without contrast there."""
    return bool(values.max() - values.min() < FLAT)


def limits(maps: Array, values: Array, scale: str, signal: str) -> tuple[float, float]:
    """What the ends of the colour bar mean.

    ``absolute``: the smallest and largest value of the whole block, so that its groups compare.
    ``relative``: of this map alone, so that its pattern shows. Similarity begins at 0, every map's mean: below
    it a place disagrees with its group, and how much so is no more of interest than where the group answers.
    """
    check_choice("scale", scale, SCALES)
    source = maps if scale == "absolute" else values
    high = float(source.max())
    return (min(0.0, high) if signal == "similarity" else float(source.min())), high


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
    """The image with one group's map over it; with several groups, each glows in its own colour.

    Args:
        analysis: With its image.
        block: A block's name.
        group: One group's number, or up to six.
        signal: ``mask`` or ``similarity``; by default what the analysis opens with.
        colormap: One of ``sge.palette.COLOUR_MAPS``; for a single group.
        opacity: 0 (image alone) to 1.
        scale: ``relative`` or ``absolute``; see ``limits``.
        legend: Draw the colour bar, or the groups' legend, into the lower left corner.

    Returns:
        RGB image of the original's size. What the network did not see (centre framing) stays as it was.

    Raises:
        UnknownBlockError, UnknownGroupError, ChoiceError: a value that is not there; the message lists those that are.
        AnalysisFileError: the analysis holds no image.
    """
    groups = _numbers(group)
    if not 1 <= len(groups) <= len(GROUP_COLOURS):
        raise ChoiceError(f"{len(groups)} groups were asked for; choose 1 to {len(GROUP_COLOURS)}.")
    if not 0 <= opacity <= 1:
        raise ChoiceError(f"opacity is {opacity}; choose 0 to 1.")
    table = colour_table(colormap)
    image = analysis.require_image()
    signal = signal or analysis.signal
    maps = analysis.maps(block, signal)
    chosen = [analysis.group_map(block, number, signal) for number in groups]
    ends = [limits(maps, values, scale, signal) for values in chosen]
    window = _window(analysis)
    seen = image.crop(window)
    heat = [_stretch(values, seen.size, *end) for values, end in zip(chosen, ends, strict=True)]
    if len(groups) == 1:
        coloured = Image.fromarray(table[heat[0]])
        drawn = Image.blend(seen, coloured, opacity)
    else:
        drawn = seen
        for colour, values in zip(GROUP_COLOURS, heat, strict=False):
            # Squared, so that the colours meet where groups answer and not over the whole image.
            alpha = Image.fromarray(np.rint((values / 255.0) ** 2 * 255 * opacity).astype(np.uint8))
            drawn = Image.composite(Image.new("RGB", seen.size, rgb(colour)), drawn, alpha)
    result = image.copy()
    result.paste(drawn, window[:2])
    if legend:
        _legend(result, block, groups, ends, colormap, scale, [is_flat(values) for values in chosen])
    return result


def _numbers(group: int | Sequence[int]) -> list[int]:
    several = isinstance(group, Sequence | np.ndarray) and not isinstance(group, str)
    try:
        return [operator.index(one) for one in (group if several else [group])]  # type: ignore[union-attr, arg-type]
    except TypeError:
        raise ChoiceError(f"group is {group!r}; give a whole number, or a list of them.") from None


def _window(analysis: Analysis) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(side) for side in analysis.geometry.window)
    width, height = analysis.geometry.image
    return max(left, 0), max(top, 0), min(max(right, left + 1), width), min(max(bottom, top + 1), height)


def _stretch(values: Array, size: tuple[int, int], lo: float, hi: float) -> npt.NDArray[np.uint8]:
    """A map in 0..255 at the given size (width, height), smooth between cells; a flat map is all 0."""
    span = hi - lo
    unit = (values - lo) / span if span > FLAT else np.zeros_like(values)
    smooth = Image.fromarray(np.ascontiguousarray(unit, np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(np.rint(np.asarray(smooth).clip(0, 1) * 255), np.uint8)


def _legend(
    image: Image.Image,
    block: str,
    groups: Sequence[int],
    ends: Sequence[tuple[float, float]],
    colormap: str,
    scale: str,
    flat: Sequence[bool],
) -> None:
    """Lower left corner; left out where the image is too small for words."""
    one = len(groups) == 1
    texts = [
        f"{block}/g{number}  {lo:.2f} to {hi:.2f}{FLAT_NOTE if still else ''}"
        for number, (lo, hi), still in zip(groups, ends, flat, strict=True)
    ]
    rows = [*texts, *([_BAR] if one else []), f"{scale} scale"]
    unit = max(11, min(image.size) // 40)
    font = ImageFont.load_default(unit)
    draw = ImageDraw.Draw(image, "RGBA")
    indent = 0 if one else round(1.5 * unit)
    width = max(22 * unit, unit + indent + math.ceil(max(draw.textlength(text, font) for text in rows)))
    height = round((1.5 * len(rows) + 0.8) * unit)
    if width > image.width or height > image.height // 2:
        return
    left, top = min(unit // 2, image.width - width), image.height - height - unit // 2
    draw.rounded_rectangle((left, top, left + width, top + height), unit // 2, fill=(22, 24, 29, 216))
    x, y = left + unit // 2, top + unit // 2
    for i, text in enumerate(rows):
        row = y + round(1.5 * i * unit)
        if text == _BAR:
            bar = Image.fromarray(colour_table(colormap)[None, :, :]).resize((width - unit, unit))
            image.paste(bar, (x, row))
            continue
        if not one and i < len(groups):
            draw.rectangle((x, row, x + unit, row + unit), fill=GROUP_COLOURS[i])
        draw.text((x + (indent if i < len(groups) else 0), row), text, fill="white", font=font)


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
    """Every group of a block as a small image, by number, with the colour bar's meaning on top.

    Args:
        analysis: Its image is not needed.
        block: A block's name.
        signal: ``mask`` or ``similarity``.
        colormap: One of ``sge.palette.COLOUR_MAPS``.
        scale: ``relative`` or ``absolute``; see ``limits``.
        groups: Which groups; all by default.
        width: Of the sheet, in pixels.

    Raises:
        UnknownBlockError, UnknownGroupError, ChoiceError: a value that is not there.
    """
    signal = signal or analysis.signal
    maps = analysis.maps(block, signal)
    table = colour_table(colormap)
    numbers = list(range(len(maps))) if groups is None else list(groups)
    gap, label, head = 8, 18, 64
    _, rows, cols = maps.shape
    columns, tile_width, tile_height = _tiling(len(numbers), rows, cols, width - gap, gap)
    step = max(tile_width, LEAST_LABEL) + gap
    height = head + math.ceil(len(numbers) / columns) * (tile_height + label + gap) + gap
    sheet = Image.new("RGB", (max(columns * step + gap, MIN_SHEET), height), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    _head(draw, sheet, analysis, block, signal, maps, table, scale)
    for place, number in enumerate(numbers):
        values = analysis.group_map(block, number, signal)
        row, col = divmod(place, columns)
        x, y = gap + col * step, head + row * (tile_height + label + gap)
        lo, hi = limits(maps, values, scale, signal)
        tile = Image.fromarray(table[_stretch(values, (tile_width, tile_height), lo, hi)])
        sheet.paste(tile, (x, y))
        if is_flat(values):
            draw.line((x, y, x + tile_width, y + tile_height), fill=_FAINT)
        words = f"g{number} flat" if is_flat(values) else f"g{number}"
        if draw.textlength(words, font) > step:
            words = str(number)
        draw.text((x, y + tile_height + 2), words, fill=_INK, font=font)
    return sheet


def _tiling(count: int, rows: int, cols: int, width: int, gap: int) -> tuple[int, int, int]:
    """Columns, and the width and height of a tile: of the maps' aspect, and never larger than is of use."""
    wanted = max(1, min(count, round(math.sqrt(count * rows / cols * 1.6))))
    tile_width = min(LARGEST_TILE[0], max(LEAST_LABEL, width // wanted - gap))
    if tile_width * rows > LARGEST_TILE[1] * cols:
        tile_width = max(2, round(LARGEST_TILE[1] * cols / rows))
    columns = max(1, min(count, width // (max(tile_width, LEAST_LABEL) + gap)))
    return columns, tile_width, max(2, round(tile_width * rows / cols))


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
    lo, hi = limits(maps, maps, "absolute", signal)
    start = "0" if signal == "similarity" else "each group's own smallest"
    meaning = f"{lo:.2f} to {hi:.2f}" if scale == "absolute" else f"{start} to each group's largest"
    draw.text(
        (8, 6), f"{analysis.model.title}  ·  {block}  ·  {signal}", fill=_INK, font=ImageFont.load_default(16)
    )
    sheet.paste(Image.fromarray(table[None, :, :]).resize((160, 12)), (8, 34))
    draw.text((176, 31), f"{scale} scale: {meaning}", fill=_FAINT, font=ImageFont.load_default(13))


def summary(analysis: Analysis, *, signal: str | None = None) -> Image.Image:
    """The image with the group that the model opens with, the classes, and the block's groups, on one sheet.

    Raises:
        AnalysisFileError: the analysis holds no image.
    """
    block = analysis.default_block
    opening = analysis.model.opens_with
    if opening and opening["block"] == block and 0 <= opening["group"] < len(analysis.maps(block)):
        group, reason = int(opening["group"]), str(opening["reason"])
    else:
        group, reason = int(np.argmax(analysis.focus(block))), "the block's most focused group"
    image = overlay(analysis, block, group, signal=signal, legend=False)
    factor = min(LARGEST_IMAGE[0] / image.width, LARGEST_IMAGE[1] / image.height)
    image = image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))
    wall = contact_sheet(analysis, block, signal=signal)
    small, large = ImageFont.load_default(14), ImageFont.load_default(18)
    lines = [(f"{block}/g{group}: {reason}", _FAINT, small)]
    lines += [(f"{100 * one.score:5.1f} %   {one.label}", _INK, large) for one in analysis.predictions]
    column = max(image.width, *(math.ceil(font.getlength(text)) for text, _, font in lines))
    height = max(image.height + 26 * (len(lines) + 1), wall.height) + 16
    sheet = Image.new("RGB", (column + wall.width + 24, height), _PAPER)
    sheet.paste(image, (8, 8))
    sheet.paste(wall, (column + 16, 8))
    draw = ImageDraw.Draw(sheet)
    for i, (text, colour, font) in enumerate(lines):
        draw.text((8, image.height + 16 + 26 * i), text, fill=colour, font=font)
    return sheet
