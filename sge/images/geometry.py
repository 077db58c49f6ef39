"""Maps a mask's cells to pixels of the image, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sge.errors import UnknownBlockError, UnknownCellError


class Box(NamedTuple):
    """A rectangle in pixels; it includes left and top, and excludes right and bottom."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def center(self) -> tuple[float, float]:
        """(x, y)."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


class Cell(NamedTuple):
    """A position in a mask."""

    row: int
    col: int


@dataclass(frozen=True)
class Geometry:
    """The network's input as a window on the upright image, divided into each block's cells.

    All cells of a block have the same size: with h x w cells, cell (r, c) covers the c-th of w parts of the
    window's width and the r-th of h parts of its height. The centers of receptive fields may lie up to half a
    cell away from a cell's center, depending on the network's padding.
    """

    image: tuple[int, int]
    """Width and height of the upright image in pixels."""
    input: tuple[int, int]
    """Width and height of the network's input in pixels."""
    window: Box
    """What the network sees, in pixels of the upright image; rounding may extend it beyond the edges."""
    framing: str
    grids: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Block name to (rows, columns)."""

    def with_grids(self, grids: Mapping[str, tuple[int, int]]) -> Geometry:
        """The same window with the grids of the blocks, which are known after a forward pass."""
        return replace(self, grids=dict(grids))

    def extended(self, extent: tuple[float, float]) -> Geometry:
        """The window with what the network pads at its right and lower edges.

        Args:
            extent: Width and height with the padding, as fractions of those without it.
        """
        if extent == (1.0, 1.0):
            return self
        left, top, right, bottom = self.window
        right, bottom = left + (right - left) * extent[0], top + (bottom - top) * extent[1]
        return replace(self, window=Box(left, top, right, bottom))

    def to_image(self, block: str, row: int, col: int) -> Box:
        """The rectangle of the upright image that a mask's cell covers.

        Raises:
            UnknownBlockError: no block of that name.
            UnknownCellError: the block has no such cell.
        """
        rows, cols = self._grid(block)
        if not (0 <= row < rows and 0 <= col < cols):
            raise UnknownCellError(
                f"{block} has {rows} rows and {cols} columns; there is no cell ({row}, {col})."
            )
        left, top, right, bottom = self.window
        cell_width, cell_height = (right - left) / cols, (bottom - top) / rows
        return Box(
            left + col * cell_width,
            top + row * cell_height,
            left + (col + 1) * cell_width,
            top + (row + 1) * cell_height,
        )

    def to_cell(self, block: str, x: float, y: float) -> Cell | None:
        """The mask's cell at a point of the upright image; None where the network does not see the image.

        Raises:
            UnknownBlockError: no block of that name.
        """
        rows, cols = self._grid(block)
        left, top, right, bottom = self.window
        if not (left <= x < right and top <= y < bottom):
            return None
        col = int((x - left) / (right - left) * cols)
        row = int((y - top) / (bottom - top) * rows)
        return Cell(min(row, rows - 1), min(col, cols - 1))

    def _grid(self, block: str) -> tuple[int, int]:
        try:
            return self.grids[block]
        except KeyError:
            raise UnknownBlockError(f"No block {block!r}; there are: {', '.join(self.grids)}.") from None
