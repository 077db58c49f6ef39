"""Prints the figures of a model with tuned gates beside those of the same model with inactive gates.

    python -m scripts.measure.tuned [NAME]

docs/models.md has the figures. Reads ../shared/data (or SGE_SHARED); gate tuning saw neither the 500 validation images
nor the 150 images of ``one_each.tar`` that ``scripts.common.held_back`` names.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor, nn

import sge
from scripts.common import DATA, REACH, Label, decoded, held_back, peak_distances, sure_labels
from sge.datasets import class_indices, find_images, find_labelled
from sge.evaluation import best_single_group, flat_masks
from sge.images import DecodedImage, frame
from sge.models import TUNED_MODEL, load_torch_model, pretrained_model, required_labels
from sge.nn import MaskCapture, sge_blocks
from sge.training import openness

BATCH = 25
SIZE = 320
"""Shorter side of the input on which parts are measured, in pixels."""
ACTING_STD = 0.1
"""A block acts if the median standard deviation of its masks reaches this."""

Facts = dict[str, Tensor]
"""Block name to (G,)."""


def evaluation_inputs(model: sge.Model, images: Sequence[DecodedImage]) -> Tensor:
    """(N, 3, 224, 224): the evaluation protocol."""
    return torch.from_numpy(np.stack([frame(image, model.preprocess, "center").array for image in images]))


@torch.inference_mode()
def measure(network: nn.Module, images: Tensor, *, flat: bool = False) -> tuple[Tensor, Facts, Facts]:
    """Predicted classes (N,), and by block the standard deviation and openness of each group's mask.

    Args:
        network: With SGE.
        images: (N, 3, h, w).
        flat: Replace each mask by its mean.
    """
    predicted = []
    stds: dict[str, list[Tensor]] = {}
    opens: dict[str, list[Tensor]] = {}
    with flat_masks(network) if flat else nullcontext():
        for batch in torch.split(images, BATCH):
            with MaskCapture(network) as captured:
                predicted.append(network(batch).argmax(1))
            for name, mask in captured.masks.items():
                stds.setdefault(name, []).append(mask.std((2, 3)).mean(0))
                opens.setdefault(name, []).append(openness(mask))
    std, opening = (
        {name: torch.stack(values).mean(0) for name, values in facts.items()} for facts in (stds, opens)
    )
    return torch.cat(predicted), std, opening


def print_accuracy(tuned: sge.Model, inactive: nn.Module) -> None:
    """Accuracy, agreement of the two networks, and what the masks do."""
    found = find_labelled([DATA / "imagenet_val_dogs"])
    labels = required_labels(tuned)
    numbers = class_indices(found.folders, labels)
    truth = torch.tensor([numbers[file.folder] for file in found.files])
    dogs = evaluation_inputs(tuned, decoded(found.files))
    names = set(held_back())
    others = evaluation_inputs(
        tuned, decoded(file for file in find_images(DATA / "one_each.tar") if file.name in names)
    )
    ours, std, opening = measure(tuned.network, dogs)
    flat, _, _ = measure(tuned.network, dogs, flat=True)
    theirs, _, _ = measure(inactive, dogs)
    there, _, _ = measure(tuned.network, others)
    for name, predicted in (("inactive", theirs), ("tuned", ours), ("tuned, flat masks", flat)):
        print(f"top-1 over {len(labels)} classes, {len(truth)} images, {name}: {share(predicted == truth)}")
    for name, same in (
        ("validation dogs", ours == theirs),
        ("held back", there == measure(inactive, others)[0]),
    ):
        print(f"agreement with the inactive model, {name} ({len(same)}): {share(same)}")
    for name, values in std.items():
        print(f"{name}: median mask's std {values.median():.3f}, openness {opening[name].mean():.2f}")
    acting = sum(float(values.median()) >= ACTING_STD for values in std.values())
    print(f"blocks with a std of at least {ACTING_STD}: {acting} of {len(std)}")


def share(hits: Tensor) -> str:
    """Fraction of True, with three digits."""
    return f"{hits.float().mean():.3f}"


def print_parts(lens: sge.Lens, signal: str, labels: list[Label]) -> None:
    """Hits of the best single group, chosen on all other images."""
    names = [
        f"{block}/g{group}"
        for block, module in sge_blocks(lens.network).items()
        for group in range(module.groups)
    ]
    for part, all_distances in peak_distances(lens, signal, labels, SIZE).items():
        distances = all_distances[np.isfinite(all_distances).all(1)]
        best = best_single_group(distances, REACH)
        first = len(names) - distances.shape[1]  # Fine blocks come first in the network and are not measured.
        within = [(best.distances < reach).mean() for reach in (REACH, REACH / 2)]
        print(
            f"{signal}: {part} {within[0]:.2f} within {REACH}, {within[1]:.2f} within {REACH / 2}, "
            f"of {len(distances)}; mostly {names[first + np.bincount(best.groups).argmax()]}"
        )


def main(name: Annotated[str, typer.Argument()] = TUNED_MODEL) -> None:
    """Prints all figures."""
    tuned = load_torch_model(name)
    inactive = pretrained_model(name).network(inactive=True)
    print_accuracy(tuned, inactive)
    labels = sure_labels()
    print_parts(sge.Lens(tuned), "mask", labels)
    tuned.network.load_state_dict(inactive.state_dict())
    print_parts(sge.Lens(tuned), "similarity", labels)


if __name__ == "__main__":
    typer.run(main)
