"""Draws a confusion matrix."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from sge.analysis import SOFTWARE
from sge.errors import ChoiceError
from sge.evaluation.calibration import Confusion
from sge.files import write_atomically

COLORMAP = "Blues"
"""White for no images, so that confused classes stand out."""
MAX_COUNTED, MAX_NAMED = 25, 100
"""Largest number of classes for which cells show their counts, and for which the axes show all labels."""
MAX_LABEL_LENGTH = 28
"""In characters."""
MIN_SIDE, MAX_SIDE, DPI = 3.2, 15.0, 150
"""Sides of the matrix in inches, and dots per inch; a class among 1000 is two dots wide."""


def draw_confusion(confusion: Confusion, path: str | os.PathLike[str], title: str) -> None:
    """Writes the matrix as a PNG: rows are right classes, columns predictions, colors the share of the row's images.

    Up to 25 classes are drawn with counts, up to 100 with labels, and more with class numbers.

    Args:
        confusion: From ``evaluate``.
        path: The file to write.
        title: Text above the matrix.

    Raises:
        ChoiceError: the file cannot be written.
    """
    counts = np.array(confusion.counts, np.float64).reshape(len(confusion.labels), len(confusion.columns))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    rows, columns = counts.shape
    cell = 0.5 if rows <= MAX_COUNTED else 0.15
    height, width = (min(max(n * cell, MIN_SIDE), MAX_SIDE) for n in (rows, columns))
    figure = Figure((width + 3.5, height + 3), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    # On a linear scale, one wrong prediction of fifty would be nearly white.
    norm = PowerNorm(0.5 if rows <= MAX_NAMED else 0.3, 0, 1)
    image = axes.imshow(shares, COLORMAP, norm, interpolation="nearest", aspect="equal")
    font = 10 if rows <= MAX_NAMED else 16
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02, aspect=35, ticks=[0, 0.05, 0.2, 0.5, 1])
    bar.ax.set_yticklabels(["0", "5 %", "20 %", "50 %", "100 %"], fontsize=font)
    bar.set_label("share of the class's images", fontsize=font)
    bar.outline.set_visible(False)
    _name_axes(axes, confusion)
    if rows <= MAX_COUNTED:
        _write_counts(axes, counts, shares)
    axes.set_title(title.replace("$", r"\$"), fontsize=font + 1, loc="left", pad=12)
    drawn = io.BytesIO()
    with warnings.catch_warnings():  # The font lacks some letters, which are drawn as boxes.
        warnings.simplefilter("ignore")
        figure.savefig(
            drawn, format="png", bbox_inches="tight", pad_inches=0.2, metadata={"Software": SOFTWARE}
        )
    try:
        write_atomically(Path(path), drawn.getvalue())
    except OSError as error:
        raise ChoiceError(f"{path} cannot be written: {error.strerror}. Choose another file.") from error


def _name_axes(axes: Axes, confusion: Confusion) -> None:
    rows, columns = len(confusion.labels), len(confusion.columns)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("right class")
    axes.tick_params(length=0)
    axes.spines[:].set_color("0.8")
    if rows > MAX_NAMED:
        ticks = range(0, rows, -(-rows // 10))
        names = [str(confusion.indices[tick]) for tick in ticks]
        axes.set_xticks(ticks, names, fontsize=14)
        axes.set_yticks(ticks, names, fontsize=14)
        last = " (last column: another class)" if columns > rows else ""
        axes.set_xlabel(f"predicted class, number{last}", fontsize=16)
        axes.set_ylabel("right class, number", fontsize=16)
        return
    size = 9 if rows <= MAX_COUNTED else 6
    axes.set_xticks(range(columns), _short(confusion.columns), fontsize=size)
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    for label in axes.get_xticklabels():
        label.set(rotation=90 if rows > MAX_COUNTED else 40, ha="center" if rows > MAX_COUNTED else "right")
        label.set_rotation_mode("default" if rows > MAX_COUNTED else "anchor")
    axes.set_yticks(range(rows), _short(confusion.labels), fontsize=size)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.9", linewidth=0.5)
    axes.tick_params(which="minor", length=0)


def _short(labels: list[str]) -> list[str]:
    cut = (text if len(text) <= MAX_LABEL_LENGTH else text[: MAX_LABEL_LENGTH - 1] + "…" for text in labels)
    # matplotlib takes text between dollar signs for a formula.
    return [text.replace("$", r"\$") for text in cut]


def _write_counts(axes: Axes, counts: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]) -> None:
    for row, column in np.argwhere(counts):
        dark = shares[row, column] > 0.3
        axes.text(
            column,
            row,
            f"{int(counts[row, column])}",
            ha="center",
            va="center",
            fontsize=9 if counts.max() < 1000 else 7,
            color="white" if dark else "0.15",
        )
