"""Makes docs/trained_masks.jpg: masks of the network that was trained here, on shipped photos that it has never seen.

python -m scripts.figures.trained_masks
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

import sge
from scripts.common import INK, ROOT
from scripts.render_tables import read_figures, row
from sge.models import PETS_MODEL, load_torch_model

PHOTOS = {
    "shepherd": "a breed it does not know",
    "chelsea": "a cat of no breed",
    "lemurs": "neither dog nor cat",
}
BLOCKS = ("layer2.1", "layer3.0", "layer3.1", "layer4.0")


def shown_groups() -> list[tuple[str, int]]:
    """Of each block, the group whose mask peaks nearest to eyes in the labelled photos (``scripts.measure.trained``)."""
    table = read_figures(PETS_MODEL)["blocks"]
    return [(block, int(row(table, block)["eye_group"])) for block in BLOCKS]


def main() -> None:
    """Writes the figure."""
    lens, groups = sge.Lens(load_torch_model(PETS_MODEL)), shown_groups()
    figure, axes = plt.subplots(len(PHOTOS), 1 + len(groups), figsize=(14, 7.6), dpi=100)
    for cells, (name, note) in zip(axes, PHOTOS.items(), strict=True):
        analysis = lens.analyze(ROOT / "static" / "samples" / f"{name}.jpg")
        shown = [analysis.require_image(), *(analysis.overlay(*group, legend=False) for group in groups)]
        for axis, image in zip(cells, shown, strict=True):
            axis.imshow(np.asarray(image))
            axis.axis("off")
        cells[0].set_title(note, fontsize=11, color=INK, loc="left")
    for axis, (block, group) in zip(axes[0][1:], groups, strict=True):
        axis.set_title(f"mask of {block}/g{group}", fontsize=11, color=INK, loc="left")
    figure.tight_layout(w_pad=0.6, h_pad=0.6)
    figure.savefig(ROOT / "docs" / "trained_masks.jpg", facecolor="white", pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
