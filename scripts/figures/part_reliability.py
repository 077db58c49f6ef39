"""Makes docs/part_reliability.png: confidence of found parts against the share of them that is right.

python -m scripts.figures.part_reliability [MODEL]
"""

from __future__ import annotations

from typing import Annotated

import matplotlib.pyplot as plt
import typer

from scripts.common import INK, ROOT
from scripts.render_tables import read_figures
from sge.models import ORIGINAL_MODEL

PARTS = {"nose": ("#c2410c", "o"), "eye": ("#1d4ed8", "s")}
"""Part to the color and the marker of its points."""
AREA = 1.6
"""Area of a marker in square points for each found part in its bin."""
LARGEST = 260.0


def main(model: Annotated[str, typer.Argument()] = ORIGINAL_MODEL) -> None:
    """Writes the figure."""
    rows = read_figures(model)["faces_calibration"]["rows"]
    sources = list(dict.fromkeys(row["by"] for row in rows))
    figure, axes = plt.subplots(1, len(sources), figsize=(4.4 * len(sources), 4.4), dpi=110, squeeze=False)
    for axis, source in zip(axes[0], sources, strict=True):
        axis.plot([0, 1], [0, 1], color="#9ca3af", linewidth=1, zorder=1)
        for row in (row for row in rows if row["by"] == source):
            color, marker = PARTS[row["part"]]
            stated, right, count = zip(*row["measured_bins"], strict=True)
            area = [min(max(AREA * one, 12), LARGEST) for one in count]
            axis.plot(stated, right, color=color, linewidth=1, alpha=0.6, zorder=2)
            axis.scatter(
                stated, right, s=area, color=color, marker=marker, zorder=3, label=row["part"], alpha=0.85
            )
        axis.set(
            xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="mean confidence", ylabel="share that is right"
        )
        axis.set_title(source, fontsize=11, color=INK, loc="left")
        axis.set_aspect("equal")
        axis.spines[["top", "right"]].set_visible(False)
        legend = axis.legend(frameon=False, loc="upper left")
        for handle in legend.legend_handles:
            handle.set_sizes([30])
    figure.tight_layout()
    figure.savefig(ROOT / "docs" / "part_reliability.png", facecolor="white")


if __name__ == "__main__":
    typer.run(main)
