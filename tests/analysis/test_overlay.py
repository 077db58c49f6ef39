"""Group maps over the image: positions, colors, legend."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sge.analysis.analysis import Analysis
from sge.analysis.colors import GROUP_COLORS, color_table, rgb
from sge.analysis.overlay import draw_overlay
from sge.errors import AnalysisFileError, ChoiceError, UnknownBlockError, UnknownGroupError
from sge.images.geometry import Box
from tests.analyses import COARSE, FINE, made

GRAY = (128, 128, 128)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), np.int64)


def hot(row: int, col: int, size: tuple[int, int] = (80, 60), **more: Any) -> Analysis:
    """One cell of group 0 of the fine block is 1, everything else there 0."""
    analysis = made(size, **more)
    maps = np.zeros_like(analysis.masks[FINE])
    maps[0, row, col] = 1
    analysis.masks[FINE] = maps
    return analysis


# What is refused.


@pytest.mark.parametrize("group", ["3", ["1", "2"], 1.5, None, {"a": 1}])
def test_a_group_is_a_whole_number(group: Any) -> None:
    with pytest.raises(ChoiceError, match="whole number"):
        draw_overlay(made(), FINE, group)


def test_several_groups_have_their_colors_and_an_unknown_map_is_refused_all_the_same() -> None:
    with pytest.raises(ChoiceError, match="magma"):
        draw_overlay(made(), FINE, [0, 1], colormap="jet")


# Where the colors lie.


@pytest.mark.parametrize("size", [(80, 60), (800, 600), (83, 61), (60, 80)])
@pytest.mark.parametrize(("row", "col"), [(0, 0), (2, 5), (5, 7), (5, 0)])
def test_a_hot_cell_colors_its_part_of_the_image(size: tuple[int, int], row: int, col: int) -> None:
    analysis = hot(row, col, size)
    heat = pixels(draw_overlay(analysis, FINE, 0, legend=False, opacity=1)).sum(2)
    box = analysis.geometry.to_image(FINE, row, col)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert box.left <= x + 0.5 <= box.right
    assert box.top <= y + 0.5 <= box.bottom
    center = tuple(int(side) for side in box.center)
    assert heat[center[1], center[0]] > 0.8 * heat.max()
    far = np.ones_like(heat, bool)
    width, height = box.right - box.left, box.bottom - box.top
    far[
        max(0, int(box.top - 2 * height)) : int(box.bottom + 2 * height) + 1,
        max(0, int(box.left - 2 * width)) : int(box.right + 2 * width) + 1,
    ] = False
    coldest = color_table("magma")[0].sum()
    assert (heat[far] <= coldest + 12).all()  # bicubic ripples stay below a step or two


@pytest.mark.parametrize("size", [(80, 60), (61, 84)])
@pytest.mark.parametrize(("row", "col"), [(0, 0), (3, 4)])
def test_a_hot_cell_of_the_centre_framing_lies_in_the_window_alone(
    size: tuple[int, int], row: int, col: int
) -> None:
    side = min(size) * 0.75
    left, top = (size[0] - side) / 2, (size[1] - side) / 2
    window = Box(left, top, left + side, top + side)
    analysis = hot(row, col, size, window=window, framing="center", grids={FINE: (6, 6), COARSE: (3, 3)})
    drawn = pixels(draw_overlay(analysis, FINE, 0, legend=False, opacity=1))
    outside = np.ones(drawn.shape[:2], bool)
    outside[round(top) : round(top + side), round(left) : round(left + side)] = False
    assert (drawn[outside] == GRAY).all()
    assert not (drawn[~outside] == GRAY).all(1).any()
    box = analysis.geometry.to_image(FINE, row, col)
    heat = np.where(outside, -1, drawn.sum(2))
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert box.left - 1 <= x + 0.5 <= box.right + 1
    assert box.top - 1 <= y + 0.5 <= box.bottom + 1


def test_a_window_that_rounding_pushed_over_the_edge_is_cut() -> None:
    analysis = made((50, 50), window=Box(-0.6, -0.6, 50.6, 50.6), framing="center")
    assert draw_overlay(analysis, FINE, 0).size == (50, 50)


# What the numbers do.


@pytest.mark.parametrize("group", [0, [0, 1, 2], np.int64(3), np.array([1, 2]), (5,)])
def test_opacity_0_leaves_the_image_and_the_analysis_as_they_are(group: Any) -> None:
    analysis = made()
    before = analysis.require_image().tobytes()
    drawn = draw_overlay(analysis, FINE, group, opacity=0, legend=False)
    assert drawn.tobytes() == before
    draw_overlay(analysis, FINE, group, opacity=1)
    assert analysis.require_image().tobytes() == before


@pytest.mark.parametrize("name", ["magma", "viridis"])
def test_opacity_1_shows_the_maps_own_colors(name: str) -> None:
    analysis = hot(2, 3)
    drawn = pixels(draw_overlay(analysis, FINE, 0, opacity=1, legend=False, colormap=name))
    table = {tuple(color) for color in color_table(name).tolist()}
    assert {tuple(color) for color in drawn.reshape(-1, 3).tolist()} <= table
    half = pixels(draw_overlay(analysis, FINE, 0, opacity=0.5, legend=False, colormap=name))
    assert np.abs(half - (drawn + 128) / 2).max() <= 1


def test_several_groups_each_have_their_own_color() -> None:
    analysis = hot(1, 1, (800, 600))
    analysis.masks[FINE][1, 4, 6] = 1
    drawn = pixels(draw_overlay(analysis, FINE, [0, 1], opacity=1, legend=False))
    for group, cell in ((0, (1, 1)), (1, (4, 6))):
        x, y = (int(side) for side in analysis.geometry.to_image(FINE, *cell).center)
        assert np.abs(drawn[y, x] - rgb(GROUP_COLORS[group])).max() < 20
    x, y = (int(side) for side in analysis.geometry.to_image(FINE, 5, 3).center)
    assert np.abs(drawn[y, x] - GRAY).max() < 5


# Legends.


def legend_box(analysis: Analysis, group: Any, **options: Any) -> tuple[int, int, int, int] | None:
    """Where a legend changed the overlay: left, top, right, bottom."""
    plain = pixels(draw_overlay(analysis, FINE, group, legend=False, **options))
    drawn = pixels(draw_overlay(analysis, FINE, group, legend=True, **options))
    ys, xs = np.nonzero((plain != drawn).any(2))
    return (xs.min(), ys.min(), xs.max(), ys.max()) if len(xs) else None


@pytest.mark.slow
@pytest.mark.parametrize("size", [(800, 600), (3000, 2000), (450, 300)])
@pytest.mark.parametrize("group", [3, [0, 1, 2, 3, 4, 5]])
def test_the_legend_stands_in_the_lower_left_corner(size: tuple[int, int], group: Any) -> None:
    box = legend_box(made(size), group)
    assert box is not None
    left, top, right, bottom = box
    assert left < 0.1 * size[0]
    assert right < 0.75 * size[0]
    assert top > 0.45 * size[1]
    assert 0.9 * size[1] < bottom < size[1]


@pytest.mark.slow
def test_the_legend_shows_every_groups_color_and_the_bar_of_a_single_one() -> None:
    analysis = made((800, 600))
    left, top, right, bottom = legend_box(analysis, [0, 1, 2]) or (0, 0, 0, 0)
    corner = pixels(draw_overlay(analysis, FINE, [0, 1, 2]))[top : bottom + 1, left : right + 1].reshape(
        -1, 3
    )
    shown = {tuple(color) for color in corner.tolist()}
    assert {rgb(color) in shown for color in GROUP_COLORS[:3]} == {True}
    assert rgb(GROUP_COLORS[3]) not in shown
    left, top, right, bottom = legend_box(analysis, 0) or (0, 0, 0, 0)
    corner = pixels(draw_overlay(analysis, FINE, 0))[top : bottom + 1, left : right + 1].reshape(-1, 3)
    shown = {tuple(color) for color in corner.tolist()}
    table = [tuple(color) for color in color_table("magma").tolist()]
    assert sum(color in shown for color in table) > 150


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (40, 40), (200, 30), (2, 3000)])
@pytest.mark.parametrize("group", [0, [0, 1, 2, 3, 4, 5]])
def test_tiny_images_keep_their_size_and_get_no_legend(size: tuple[int, int], group: Any) -> None:
    analysis = made(size)
    assert draw_overlay(analysis, FINE, group).size == size
    assert legend_box(analysis, group) is None


def test_a_long_name_never_leaves_the_legend() -> None:
    analysis = made((900, 600))
    long = "a" * 60
    analysis.masks[long], analysis.similarity[long] = analysis.masks[COARSE], analysis.similarity[COARSE]
    plain = pixels(draw_overlay(analysis, long, 0, signal="mask", legend=False))
    drawn = pixels(draw_overlay(analysis, long, 0, signal="mask"))
    ys, xs = np.nonzero((plain != drawn).any(2))
    dark = pixels(draw_overlay(analysis, long, 0, signal="mask"))[ys.min() + 3, : xs.max() + 1].sum(1)
    assert (dark[xs.min() + 12 : xs.max() - 12] < 3 * 128).all()  # the legend is as wide as its texts


def test_relative_colors_are_of_the_map_and_absolute_ones_of_the_block() -> None:
    analysis = made()
    maps = np.zeros_like(analysis.masks[FINE])
    maps[0, 0, 0], maps[1, 0, 0] = 0.25, 1.0
    analysis.masks[FINE] = maps
    brightest = {
        (scale, group): pixels(draw_overlay(analysis, FINE, group, scale=scale, opacity=1, legend=False))
        .sum(2)
        .max()
        for scale in ("relative", "absolute")
        for group in (0, 1)
    }
    assert brightest["relative", 0] == brightest["relative", 1] == brightest["absolute", 1]
    assert brightest["absolute", 0] < 0.6 * brightest["absolute", 1]


def test_a_flat_map_has_one_color() -> None:
    drawn = pixels(draw_overlay(made(), COARSE, 0, signal="mask", opacity=1, legend=False))
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1


def test_without_an_image_there_is_no_overlay() -> None:
    with pytest.raises(AnalysisFileError, match="holds no image"):
        draw_overlay(dataclasses.replace(made(), image=None), FINE, 0)


def test_unknown_values_are_refused_and_the_known_listed() -> None:
    analysis = made()
    with pytest.raises(UnknownBlockError, match=r"layer1\.0, layer2\.0"):
        draw_overlay(analysis, "nope", 0)
    for group in (8, -1):
        with pytest.raises(UnknownGroupError, match="groups 0 to 7"):
            draw_overlay(analysis, FINE, group)
    for option, known in (
        ({"colormap": "jet"}, "magma, viridis"),
        ({"scale": "log"}, "relative, absolute"),
        ({"signal": "weights"}, "mask, similarity"),
    ):
        with pytest.raises(ChoiceError, match=known):
            draw_overlay(analysis, FINE, 0, **option)
    for opacity in (-0.01, 1.01, float("nan")):
        with pytest.raises(ChoiceError, match="0 to 1"):
            draw_overlay(analysis, FINE, 0, opacity=opacity)
    for groups in ([], list(range(7))):
        with pytest.raises(ChoiceError, match="1 to 6"):
            draw_overlay(analysis, FINE, groups)
