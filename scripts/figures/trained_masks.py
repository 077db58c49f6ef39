"""Makes docs/trained_masks.jpg: masks of the network that was trained here, on shipped photos that it has never seen.

python -m scripts.figures.trained_masks
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

import sge
from scripts.common import INK, ROOT
from sge.models import DOGS_MODEL, load_torch_model

PHOTOS = {"shepherd": "a breed it does not know", "chelsea": "no dog", "lemurs": "no dog"}
GROUPS = (("layer2.1", 49), ("layer3.0", 47), ("layer3.1", 36), ("layer4.0", 60))
"""Of four blocks, the group whose mask peaks nearest to eyes in the labelled photos (``scripts.measure.trained``)."""


def main() -> None:
    """Writes the figure."""
    lens = sge.Lens(load_torch_model(DOGS_MODEL))
    figure, axes = plt.subplots(len(PHOTOS), 1 + len(GROUPS), figsize=(14, 7.6), dpi=100)
    for row, (name, note) in zip(axes, PHOTOS.items(), strict=True):
        analysis = lens.analyze(ROOT / "static" / "samples" / f"{name}.jpg")
        shown = [analysis.require_image(), *(analysis.overlay(*group, legend=False) for group in GROUPS)]
        for axis, image in zip(row, shown, strict=True):
            axis.imshow(np.asarray(image))
            axis.axis("off")
        row[0].set_title(note, fontsize=11, color=INK, loc="left")
    for axis, (block, group) in zip(axes[0][1:], GROUPS, strict=True):
        axis.set_title(f"mask of {block}/g{group}", fontsize=11, color=INK, loc="left")
    figure.tight_layout(w_pad=0.6, h_pad=0.6)
    figure.savefig(ROOT / "docs" / "trained_masks.jpg", facecolor="white", pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
