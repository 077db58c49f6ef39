"""Makes docs/how_it_works.png: one group of one block on a shipped photo, from image to mask.

python -m scripts.figures.how_it_works
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

import sge
from scripts.common import INK, ROOT
from sge.models import DEFAULT_MODEL, load_torch_model
from sge.nn import sge_blocks

BLOCK, GROUP = "blocks.4.2", 7


def main() -> None:
    """Writes the figure."""
    lens = sge.Lens(load_torch_model(DEFAULT_MODEL))
    analysis = lens.analyze(ROOT / "static" / "samples" / "shepherd.jpg")
    similarity = analysis.similarity[BLOCK][GROUP]
    gate = sge_blocks(lens.network)[BLOCK]
    weight, bias = (float(values.detach().flatten()[GROUP]) for values in (gate.weight, gate.bias))
    panels = [
        (analysis.require_image(), "a photo goes in", "EfficientNet-Lite0 with SGE"),
        (similarity, "similarity of one group", "$t = (c - mean) / std,\\quad c_i = g \\cdot x_i$"),
        (analysis.masks[BLOCK][GROUP], "its mask", f"$a = sigmoid({weight:.2f}\\,t {bias:+.2f})$"),
        (
            analysis.overlay(BLOCK, GROUP, legend=False),
            "over the photo",
            f"{BLOCK}/g{GROUP}, of 56 groups there",
        ),
    ]
    figure, axes = plt.subplots(1, 4, figsize=(14, 4.3), dpi=110)
    for axis, (values, title, note) in zip(axes, panels, strict=True):
        shown = axis.imshow(np.asarray(values), cmap="magma", interpolation="nearest")
        axis.set_title(title, fontsize=13, color=INK, pad=10)
        axis.set_xlabel(note, fontsize=10.5, color=INK, labelpad=8)
        axis.set_xticks([])
        axis.set_yticks([])
        for side in axis.spines.values():
            side.set_visible(False)
        bar = figure.colorbar(shown, ax=axis, fraction=0.046, pad=0.03)
        # The invisible bar beside a photo keeps the four panels equal in size.
        bar.ax.set_visible(isinstance(values, np.ndarray))
    figure.tight_layout(w_pad=1)
    figure.savefig(ROOT / "docs" / "how_it_works.png", facecolor="white")


if __name__ == "__main__":
    main()
