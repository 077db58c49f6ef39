"""Prints the figures of a model with tuned gates beside those of the same model with inactive gates.

    python -m scripts.measure.tuned [NAME]

docs/models.md has the figures. Reads ../shared/data (or SGE_SHARED); gate tuning saw neither the 500 validation images
nor the 150 images of ``one_each.tar`` that ``scripts.common.held_back`` names.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer
from torch import nn

import sge
from scripts.common import REACH, Label, decoded, peak_distances, sure_labels
from scripts.gates.sets import stated_sets
from scripts.measure.gate_effect import (
    ACTING_STD,
    GateEffect,
    compute_logits,
    evaluation_inputs,
    gate_effect,
)
from sge.evaluation import best_single_group
from sge.models import TUNED_MODEL, load_torch_model, pretrained_model
from sge.nn import sge_blocks

SIZE = 320
"""Shorter side of the input on which parts are measured, in pixels."""


def measure_sets(tuned: sge.Model, inactive: nn.Module) -> dict[str, GateEffect]:
    """The effect of the gates on ``dogs``, the validation images, and on ``others``, those that are held back."""
    effects = {}
    for name, images in stated_sets().items():
        inputs = evaluation_inputs(tuned.preprocess, decoded(images.files))
        theirs = compute_logits(inactive, inputs)
        effects[name] = gate_effect(tuned.network, theirs, inputs, images.classes)
    return effects


def print_accuracy(effects: dict[str, GateEffect]) -> None:
    """Accuracy, agreement of the two networks, and what the masks do."""
    dogs = effects["dogs"]
    for name, value in dogs.accuracy.items():
        print(f"{name}, {dogs.images} images: {value:.3f}")
    for name, effect in effects.items():
        print(f"agreement with the inactive model, {name} ({effect.images}): {effect.agreement:.3f}")
    for name, std in dogs.stds.items():
        print(f"{name}: median mask's std {std:.3f}, openness {dogs.opens[name]:.2f}")
    print(f"blocks with a std of at least {ACTING_STD}: {dogs.acting} of {len(dogs.stds)}")


def single_groups(lens: sge.Lens, signal: str, labels: list[Label]) -> dict[str, tuple[float, float, str]]:
    """By part: share within ``REACH`` and within half of it of the best single group, and the group that it mostly is.

    The group of each image is chosen on all other images.
    """
    names = [
        f"{block}/g{group}"
        for block, module in sge_blocks(lens.network).items()
        for group in range(module.groups)
    ]
    found = {}
    for part, all_distances in peak_distances(lens, signal, labels, SIZE).items():
        distances = all_distances[np.isfinite(all_distances).all(1)]
        best = best_single_group(distances, REACH)
        first = len(names) - distances.shape[1]  # Fine blocks come first in the network and are not measured.
        near, nearer = (float((best.distances < reach).mean()) for reach in (REACH, REACH / 2))
        found[part] = near, nearer, names[first + np.bincount(best.groups).argmax()]
    return found


def measure_groups(tuned: sge.Model, inactive: nn.Module) -> dict[str, dict[str, tuple[float, float, str]]]:
    """``tuned`` (masks) and ``inactive`` (similarity) to ``single_groups``. Leaves ``tuned`` with inactive gates."""
    labels = sure_labels()
    found = {"tuned": single_groups(sge.Lens(tuned), "mask", labels)}
    tuned.network.load_state_dict(inactive.state_dict())
    return found | {"inactive": single_groups(sge.Lens(tuned), "similarity", labels)}


def main(name: Annotated[str, typer.Argument()] = TUNED_MODEL) -> None:
    """Prints all figures."""
    tuned = load_torch_model(name)
    inactive = pretrained_model(name).network(inactive=True)
    print_accuracy(measure_sets(tuned, inactive))
    for gates, parts in measure_groups(tuned, inactive).items():
        for part, (near, nearer, group) in parts.items():
            print(
                f"{gates}: {part} {near:.2f} within {REACH}, {nearer:.2f} within {REACH / 2}; mostly {group}"
            )


if __name__ == "__main__":
    typer.run(main)
