"""Makes docs/how_it_works.png: one group of one block on a shipped photo, from image to mask."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sge

BLOCK, GROUP = "blocks.4.2", 7
ROOT = Path(__file__).resolve().parent.parent
INK = "#16181d"


def main() -> None:
    """Writes the figure beside this file."""
    lens = sge.Lens(sge.load_model("sge_efficientnet_lite0"))
    analysis = lens.analyze(ROOT / "static" / "samples" / "shepherd.jpg")
    similarity = analysis.similarity[BLOCK][GROUP]
    mask = 1 / (1 + np.exp(-(2 * similarity - 1)))
    panels = [
        (analysis.image, "a photo goes in", "EfficientNet-Lite0 with SGE"),
        (similarity, "similarity of one group", "$t = (c - mean) / std,\\quad c_i = g \\cdot x_i$"),
        (mask, "its mask, were the gate awake", "$a = sigmoid(2t - 1)$; inactive: 0.73 everywhere"),
        (
            analysis.overlay(BLOCK, GROUP, legend=False),
            "over the photo",
            f"{BLOCK}/g{GROUP}, of 56 groups there",
        ),
    ]
    figure, axes = plt.subplots(1, 4, figsize=(14, 4.3), dpi=110)
    for axis, (values, title, note) in zip(axes, panels, strict=True):
        shown = axis.imshow(values, cmap="magma", interpolation="nearest")
        axis.set_title(title, fontsize=13, color=INK, pad=10)
        axis.set_xlabel(note, fontsize=10.5, color=INK, labelpad=8)
        axis.set_xticks([])
        axis.set_yticks([])
        for side in axis.spines.values():
            side.set_visible(False)
        bar = figure.colorbar(shown, ax=axis, fraction=0.046, pad=0.03)
        # Beside a photo the bar only keeps the four panels equal in size.
        bar.ax.set_visible(isinstance(values, np.ndarray))
    figure.tight_layout(w_pad=1)
    figure.savefig(ROOT / "docs" / "how_it_works.png", facecolor="white")


if __name__ == "__main__":
    main()
