"""Prints which groups' peaks lie most often on a dog's face, nose or eye; the groups that viewers open with come from it.

    python -m scripts.models.opening_group [NAME]

The similarity of models with inactive gates is used, and the masks of others. The choice is made and counted on the
same labelled photos of ../shared/data (or SGE_SHARED), so that the figure is optimistic: it tells which group to show
first, not how well the group finds faces on other photos.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Annotated

import numpy as np
import typer

import sge
from scripts.common import REACH, Float64Array, Label, labelled_photo, part_distances, peak, sure_labels
from sge.models import DEFAULT_MODEL, load_torch_model

Hits = dict[str, dict[str, list[bool]]]
"""By kind (face, nose, eye) and ``block/gN``: photo by photo, whether the peak lay there."""


def main(name: Annotated[str, typer.Argument()] = DEFAULT_MODEL) -> None:
    """Prints the three best groups of each kind, with their hits of all three kinds."""
    hits = count_hits(sge.Lens(load_torch_model(name)))
    for kind, groups in hits.items():
        best = sorted(groups, key=lambda group: -sum(groups[group]))[:3]
        for group in best:
            counts = (f"{other} {sum(hits[other][group])} of {len(hits[other][group])}" for other in hits)
            print(f"best {kind}: {group},", ", ".join(counts))


def best_group(hits: Hits, kinds: Collection[str] = ("face", "nose", "eye")) -> str:
    """The group whose peak lies most often on a face, a nose or an eye, summed over the given kinds."""
    return max(hits["face"], key=lambda group: sum(sum(hits[kind][group]) for kind in kinds))


def count_hits(lens: sge.Lens) -> Hits:
    """Hits of every group of stride 16 and more."""
    hits: Hits = {kind: defaultdict(list) for kind in ("face", "nose", "eye")}
    for label in sure_labels():
        if not label["face"]:
            continue
        analysis = lens.analyze(labelled_photo(label))
        for block in analysis.blocks:
            for group, values in enumerate(analysis.maps(block.name) if block.stride >= 16 else ()):
                _score(hits, f"{block.name}/g{group}", peak(values, label), label)
    return hits


def _score(hits: Hits, name: str, position: Float64Array, label: Label) -> None:
    left, top, right, bottom = label["face"]
    x, y = position
    hits["face"][name].append(bool(left <= x <= right and top <= y <= bottom))
    for part, distances in part_distances(position[None], label).items():
        if np.isfinite(distances[0]):
            hits[part][name].append(bool(distances[0] < REACH))


if __name__ == "__main__":
    typer.run(main)
