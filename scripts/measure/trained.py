"""Prints the accuracy of a network trained on ``dogs_train.tar`` and what its gates do; docs/models.md has the figures.

    python -m scripts.measure.trained [MODEL_OR_FILE] [SIZE]

Reads ../shared/data (or SGE_SHARED): accuracy on ``dogs_dev.tar``, parts in ``parts_dev``; neither was trained on.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

import sge
from scripts.common import (
    DEV,
    REACH,
    UNSEEN,
    dev_images,
    part_distances,
    peak_distances,
    sure_labels,
)
from sge.arrays import Array
from sge.evaluation import best_single_group, evaluate, flat_masks, mask_std, median_mask_std
from sge.images import frame
from sge.models import DOGS_MODEL, load_torch_model
from sge.nn import sge_blocks

MIN_STRIDE = 4
STEP = 16
"""Masks are measured on every 16th dev image."""


def print_accuracy(model: sge.Model, size: int | None) -> None:
    """Accuracy with the masks as they are, and with flat masks."""
    for only in (None, UNSEEN):
        options: dict[str, Any] = {"framing": "center", "size": size, "only": only, "batch": 32}
        acting = evaluate(model, DEV, **options)
        with flat_masks(model.network):
            flat = evaluate(model, DEV, **options)
        print(
            f"top-1 {acting.top1:.3f} (flat masks {flat.top1:.3f}), {acting.images} images {only or ''}".rstrip()
        )


def print_parts(model: sge.Model, size: int | None, std: dict[str, Array]) -> None:
    """By block and part: hits of the best single group, chosen on all other images, and of a random group."""
    lens, labels = sge.Lens(model), sure_labels()
    centers = [
        part_distances(np.array([[label["width"] / 2, label["height"] / 2]]), label) for label in labels
    ]
    for part in ("nose", "eye"):
        distances = np.concatenate([center[part] for center in centers])
        distances = distances[np.isfinite(distances)]
        print(f"the image's center: {part} {hit_rates(distances)} of {len(distances)}")
    groups = {name: module.groups for name, module in sge_blocks(model.network).items()}
    for signal in ("mask", "similarity"):
        found = peak_distances(lens, signal, labels, size, MIN_STRIDE)
        # Finer blocks come first in the network and are not in ``found``.
        end = found["nose"].shape[1] - sum(groups.values())
        for name, count in groups.items():
            start, end = end, end + count
            if start < 0:
                continue
            columns = [f"{signal} of {name} (std {median_mask_std(std[name]):.2f})"]
            for part, all_distances in found.items():
                distances = all_distances[np.isfinite(all_distances).all(1), start:end]
                best = best_single_group(distances, REACH)
                columns.append(
                    f"{part} g{np.bincount(best.groups).argmax()} {hit_rates(best.distances)}, at random "
                    f"{hit_rates(distances)}, of {len(distances)}"
                )
            print("; ".join(columns))


def hit_rates(distances: npt.NDArray[np.floating[Any]]) -> str:
    """Share of distances within the reach, and within half of it."""
    return f"{(distances < REACH).mean():.2f} / {(distances < REACH / 2).mean():.2f}"


def main(
    name: Annotated[str, typer.Argument()] = DOGS_MODEL,
    size: Annotated[int | None, typer.Argument()] = None,
) -> None:
    """Prints all figures."""
    model = load_torch_model(name)
    print_accuracy(model, size)
    frames = (frame(image, model.preprocess, "center", size) for image in dev_images(STEP))
    print_parts(model, size, mask_std(model.network, frames))


if __name__ == "__main__":
    typer.run(main)
