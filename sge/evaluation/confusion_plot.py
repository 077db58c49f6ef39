"""A confusion matrix as an image."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from sge.errors import ChoiceError
from sge.evaluation.calibration import Confusion

COLOURS = "Blues"
"""White where nothing fell: what was confused stands out."""
COUNTED, NAMED = 25, 100
"""Up to so many classes cells carry their count, and up to so many axes carry every label."""
LONGEST = 28
"""Characters of a label."""
SMALLEST_SIDE, LARGEST_SIDE, DPI = 3.2, 15.0, 150
"""Of the matrix, in inches; dots an inch: of 1000 classes each has two dots."""


def draw_confusion(confusion: Confusion, path: str | os.PathLike[str], title: str) -> None:
    """Writes a PNG: a row a right class, a column an answer, colour the share of the row's images.

    Up to 25 classes are drawn with counts, up to 100 with labels, and more with their classes' numbers.

    Args:
        confusion: From ``evaluate``.
        path: The file.
        title: Above the matrix.

    Raises:
        ChoiceError: the file cannot be written.
    """
    counts = np.array(confusion.counts, np.float64).reshape(len(confusion.labels), len(confusion.columns))
    terms = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    rows, columns = counts.shape
    cell = 0.5 if rows <= COUNTED else 0.15
    height, width = (min(max(n * cell, SMALLEST_SIDE), LARGEST_SIDE) for n in (rows, columns))
    figure = Figure((width + 3.5, height + 3), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    # One wrong answer of fifty is hardly blue; the root lets it be seen among many.
    norm = PowerNorm(0.5 if rows <= NAMED else 0.3, 0, 1)
    image = axes.imshow(terms, COLOURS, norm, interpolation="nearest", aspect="equal")
    font = 10 if rows <= NAMED else 16
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02, aspect=35, ticks=[0, 0.05, 0.2, 0.5, 1])
    bar.ax.set_yticklabels(["0", "5 %", "20 %", "50 %", "100 %"], fontsize=font)
    bar.set_label("share of the class's images", fontsize=font)
    bar.outline.set_visible(False)
    _name_axes(axes, confusion)
    if rows <= COUNTED:
        _write_counts(axes, counts, terms)
    axes.set_title(title.replace("$", r"\$"), fontsize=font + 1, loc="left", pad=12)
    try:
        figure.savefig(path, format="png", bbox_inches="tight", pad_inches=0.2)
    except OSError as error:
        raise ChoiceError(f"{path} cannot be written: {error.strerror}. Choose another file.") from error


def _name_axes(axes: Axes, confusion: Confusion) -> None:
    rows, columns = len(confusion.labels), len(confusion.columns)
    axes.set_xlabel("answer")
    axes.set_ylabel("right class")
    axes.tick_params(length=0)
    axes.spines[:].set_color("0.8")
    if rows > NAMED:
        ticks = range(0, rows, -(-rows // 10))
        names = [str(confusion.indices[tick]) for tick in ticks]
        axes.set_xticks(ticks, names, fontsize=14)
        axes.set_yticks(ticks, names, fontsize=14)
        last = " (last column: another class)" if columns > rows else ""
        axes.set_xlabel(f"answer, number of the class{last}", fontsize=16)
        axes.set_ylabel("right class, number", fontsize=16)
        return
    size = 9 if rows <= COUNTED else 6
    axes.set_xticks(range(columns), _short(confusion.columns), fontsize=size)
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    for label in axes.get_xticklabels():
        label.set(rotation=90 if rows > COUNTED else 40, ha="center" if rows > COUNTED else "right")
        label.set_rotation_mode("default" if rows > COUNTED else "anchor")
    axes.set_yticks(range(rows), _short(confusion.labels), fontsize=size)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.9", linewidth=0.5)
    axes.tick_params(which="minor", length=0)


def _short(labels: list[str]) -> list[str]:
    # A label may hold a dollar sign, which would begin a formula.
    cut = (one if len(one) <= LONGEST else one[: LONGEST - 1] + "…" for one in labels)
    return [one.replace("$", r"\$") for one in cut]


def _write_counts(axes: Axes, counts: npt.NDArray[np.float64], terms: npt.NDArray[np.float64]) -> None:
    for row, column in np.argwhere(counts):
        dark = terms[row, column] > 0.3
        axes.text(
            column,
            row,
            f"{int(counts[row, column])}",
            ha="center",
            va="center",
            fontsize=9 if counts.max() < 1000 else 7,
            color="white" if dark else "0.15",
        )
