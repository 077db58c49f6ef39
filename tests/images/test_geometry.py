"""Cells of a mask and pixels of the image: white pixels in a cell's box must raise only that cell."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from sge.errors import UnknownBlockError, UnknownCellError
from sge.images.decoding import decode
from sge.images.framing import Preprocess, frame
from sge.images.geometry import Box, Cell, Geometry
from tests.drawn_images import turned

RAW = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), interpolation="bilinear")


def probed(source: object, framing: str, stride: int, size: int | None = None) -> tuple[np.ndarray, Geometry]:
    """Mean brightness of each cell, 0 to 1, by a strided convolution, and the geometry of the cells."""
    one = frame(decode(source), RAW, framing, size)
    kernel = torch.full((1, 3, stride, stride), 1 / (3 * stride * stride))
    light = F.conv2d(torch.from_numpy(one.array)[None], kernel, stride=stride)[0, 0]
    return light.numpy(), one.geometry.with_grids({"probe": tuple(light.shape)})


def painted(size: tuple[int, int], geometry: Geometry, cells: np.ndarray) -> Image.Image:
    """A black image with the boxes of the cells white, to the nearest pixel."""
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    for row, col in np.argwhere(cells):
        box = geometry.to_image("probe", int(row), int(col))
        left, top, right, bottom = (round(side) for side in box)
        canvas[top:bottom, left:right] = 255
    return Image.fromarray(canvas)


def some_cells(shape: tuple[int, int], seed: int) -> np.ndarray:
    """A random third of the cells."""
    cells = np.random.RandomState(seed).random_sample(shape) < 0.3
    cells[np.unravel_index(seed % cells.size, shape)] = True
    return cells


SIZES = [(640, 480), (480, 640), (900, 220), (150, 1000), (300, 301), (224, 224), (97, 131), (28, 21)]


@pytest.mark.parametrize("framing", ["whole", "center"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_bright_boxes_light_their_cells_alone(framing: str, size: tuple[int, int], seed: int) -> None:
    _, geometry = probed(Image.new("RGB", size), framing, 32)
    cells = some_cells(geometry.grids["probe"], seed)
    light, again = probed(painted(size, geometry, cells), framing, 32)
    assert again == geometry
    assert ((light > 0.5) == cells).all()
    if min(size) > 90:  # in smaller images a box's edge, drawn to the nearest pixel, is far from the cell's
        assert light[cells].min() > 0.7
        assert light[~cells].max() < 0.3


@pytest.mark.parametrize("framing", ["whole", "center"])
def test_one_square_lights_one_cell(framing: str) -> None:
    size = (500, 333)
    _, geometry = probed(Image.new("RGB", size), framing, 32)
    for row, col in [(0, 0), (6, 0), (0, 6), (3, 4), (6, 6)]:
        cells = np.zeros(geometry.grids["probe"], bool)
        cells[row, col] = True
        light, _ = probed(painted(size, geometry, cells), framing, 32)
        assert np.argwhere(light > 0.5).tolist() == [[row, col]]
        assert geometry.to_cell("probe", *geometry.to_image("probe", row, col).center) == (row, col)


@pytest.mark.parametrize("framing", ["whole", "center"])
@pytest.mark.parametrize("stride", [8, 16])
def test_finer_cells(framing: str, stride: int) -> None:
    size = (800, 600)
    _, geometry = probed(Image.new("RGB", size), framing, stride)
    cells = some_cells(geometry.grids["probe"], 5)
    light, _ = probed(painted(size, geometry, cells), framing, stride)
    assert ((light > 0.5) == cells).all()


@pytest.mark.slow
@pytest.mark.parametrize("framing", ["whole", "center"])
def test_a_camera_image(framing: str) -> None:
    size = (6000, 4000)
    _, geometry = probed(Image.new("RGB", size), framing, 32)
    cells = some_cells(geometry.grids["probe"], 3)
    light, _ = probed(painted(size, geometry, cells), framing, 32)
    assert ((light > 0.5) == cells).all()
    assert light[cells].min() > 0.85
    assert light[~cells].max() < 0.15


@pytest.mark.parametrize("framing", ["whole", "center"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_turned_files(framing: str, turn: int) -> None:
    """The boxes are those of the upright image, however the file stores it."""
    size = (400, 260)
    _, geometry = probed(Image.new("RGB", size), framing, 32)
    cells = some_cells(geometry.grids["probe"], turn)
    upright = painted(size, geometry, cells)
    for kind, options in (("PNG", {}), ("JPEG", {"quality": 95})):
        light, again = probed(turned(upright, turn, kind, **options), framing, 32)
        assert again == geometry
        assert again.image == size
        assert ((light > 0.5) == cells).all()


@pytest.mark.parametrize("size", [(400, 260), (260, 400), (2000, 300)], ids=str)
def test_what_center_leaves_out_lights_nothing(size: tuple[int, int]) -> None:
    dark, geometry = probed(Image.new("RGB", size), "center", 32)
    canvas = np.full((size[1], size[0], 3), 255, np.uint8)
    left, top, right, bottom = geometry.window
    canvas[math.floor(top) - 1 : math.ceil(bottom) + 1, math.floor(left) - 1 : math.ceil(right) + 1] = 0
    assert canvas.any()
    light, _ = probed(Image.fromarray(canvas), "center", 32)
    assert light.max() < 0.02
    assert dark.max() == 0
    for x, y in [(0, 0), (left - 0.01, size[1] / 2), (right, size[1] / 2), (size[0] / 2, top - 0.01)]:
        assert geometry.to_cell("probe", x, y) is None


def test_one_pixel_lights_all_cells() -> None:
    for framing in ("whole", "center"):
        light, geometry = probed(Image.new("RGB", (1, 1), "white"), framing, 32)
        assert light.shape == (7, 7)
        assert light.min() == pytest.approx(1, abs=1e-3)
        assert geometry.to_cell("probe", 0.5, 0.5) == (3, 3)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Geometries of real framings for any image size."""
    image = draw(st.tuples(st.integers(1, 300), st.integers(1, 300)))
    size = draw(st.sampled_from([32, 96, 224]))
    framing = draw(st.sampled_from(["whole", "center"]))
    one = frame(decode(Image.new("RGB", image)), RAW, framing, size).geometry
    stretch = draw(st.sampled_from([1.0, 3.7, 20.0]))
    window = Box(*(side * stretch for side in one.window))
    return Geometry(
        one.image, one.input, window, framing, {"b": (draw(st.integers(1, 64)), draw(st.integers(1, 64)))}
    )


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(geometry=geometries(), place=st.data())
def test_from_cell_to_image_to_cell(geometry: Geometry, place: st.DataObject) -> None:
    rows, cols = geometry.grids["b"]
    cell = Cell(place.draw(st.integers(0, rows - 1)), place.draw(st.integers(0, cols - 1)))
    box = geometry.to_image("b", *cell)
    assert geometry.to_cell("b", *box.center) == cell
    across, down = place.draw(st.floats(0.001, 0.999)), place.draw(st.floats(0.001, 0.999))
    x = box.left + across * (box.right - box.left)
    y = box.top + down * (box.bottom - box.top)
    assert geometry.to_cell("b", x, y) == cell


@settings(max_examples=150, deadline=None)
@given(geometry=geometries(), place=st.data())
def test_from_image_to_cell_to_image(geometry: Geometry, place: st.DataObject) -> None:
    left, top, right, bottom = geometry.window
    x = place.draw(st.floats(left, right, exclude_max=True))
    y = place.draw(st.floats(top, bottom, exclude_max=True))
    cell = geometry.to_cell("b", x, y)
    assert cell is not None
    box = geometry.to_image("b", *cell)
    near = 1e-6 * max(right, bottom)
    assert box.left - near <= x <= box.right + near
    assert box.top - near <= y <= box.bottom + near


@settings(max_examples=60, deadline=None)
@given(geometry=geometries())
def test_the_boxes_tile_the_window(geometry: Geometry) -> None:
    rows, cols = geometry.grids["b"]
    first, last = geometry.to_image("b", 0, 0), geometry.to_image("b", rows - 1, cols - 1)
    assert (first.left, first.top) == geometry.window[:2]
    assert (last.right, last.bottom) == pytest.approx(geometry.window[2:])
    for row in range(rows - 1):
        assert geometry.to_image("b", row, 0).bottom == geometry.to_image("b", row + 1, 0).top
    for col in range(cols - 1):
        assert geometry.to_image("b", 0, col).right == geometry.to_image("b", 0, col + 1).left


@pytest.fixture
def two_blocks() -> Geometry:
    window = Box(10.0, 20.0, 110.0, 80.0)
    return Geometry((120, 100), (160, 96), window, "center").with_grids({"fine": (6, 10), "coarse": (3, 5)})


def test_known_boxes(two_blocks: Geometry) -> None:
    assert two_blocks.to_image("fine", 1, 2) == (30, 30, 40, 40)
    assert two_blocks.to_image("coarse", 2, 4) == (90, 60, 110, 80)
    assert two_blocks.to_cell("fine", 30, 30) == (1, 2)
    assert two_blocks.to_cell("fine", 29.9, 30) == (1, 1)
    assert two_blocks.to_cell("coarse", 109.9, 79.9) == (2, 4)


@pytest.mark.parametrize(
    ("x", "y"), [(9.9, 50), (110, 50), (50, 19.9), (50, 80), (-1, -1), (math.nan, 50), (50, math.inf)]
)
def test_points_that_the_network_did_not_see(two_blocks: Geometry, x: float, y: float) -> None:
    assert two_blocks.to_cell("fine", x, y) is None


def test_unknown_blocks_and_cells(two_blocks: Geometry) -> None:
    with pytest.raises(UnknownBlockError, match="No block 'x'; there are: fine, coarse"):
        two_blocks.to_image("x", 0, 0)
    with pytest.raises(UnknownBlockError):
        two_blocks.to_cell("x", 50, 50)
    for row, col in [(-1, 0), (0, -1), (6, 0), (0, 10)]:
        with pytest.raises(UnknownCellError, match="6 rows and 10 columns"):
            two_blocks.to_image("fine", row, col)


def test_with_grids_leaves_the_first_as_it_was(two_blocks: Geometry) -> None:
    grids = {"other": (1, 1)}
    other = two_blocks.with_grids(grids)
    grids["late"] = (2, 2)
    assert set(other.grids) == {"other"}
    assert set(two_blocks.grids) == {"fine", "coarse"}
    assert other.window == two_blocks.window
