"""Prints the accuracy of a network trained here and what its gates do; docs/models.md has the figures.

    python -m scripts.measure.trained [MODEL_OR_FILE] [SIZE]

Reads ../shared/data (or SGE_SHARED): accuracy on the dev images of the sets that the network was trained on, over all of
its classes; parts in ``parts_dev``; the network was trained on none of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
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
from scripts.models import pets_data
from sge.arrays import Array
from sge.datasets import find_labelled
from sge.evaluation import best_single_group, flat_masks, mask_std, median_mask_std, predict_set
from sge.images import frame
from sge.models import PETS_MODEL, load_torch_model, required_labels
from sge.nn import sge_blocks

MIN_STRIDE = 4
STEP = 16
"""Masks are measured on every 16th dev image."""

Row = dict[str, Any]


@dataclass(frozen=True)
class MeasuredSet:
    """A labelled set on which a network's accuracy is measured."""

    name: str
    source: Path
    only: str | None = None
    """Text that the names of its images contain."""


@contextmanager
def measured_sets(labels: list[str]) -> Iterator[list[MeasuredSet]]:
    """The sets of a network with these labels, each a part of the first one's source.

    Those of 45 breeds are made in a folder that is then removed.
    """
    if not set(pets_data.LABELS) <= set(labels):
        yield [MeasuredSet("dogs", DEV), MeasuredSet("unseen", DEV, UNSEEN)]
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        pets_data.build(folder, training=False)
        dev = folder / pets_data.DEV
        yield [
            MeasuredSet("dogs", dev, pets_data.WOOF),
            MeasuredSet("rest", folder / pets_data.REST),
            MeasuredSet("unseen", dev, UNSEEN),
            MeasuredSet("pets", dev, pets_data.PETS),
        ]


def accuracy_rows(
    model: sge.Model, size: int | None = None, framing: str = "center", *, flat: bool = True
) -> list[Row]:
    """By set: ``id``, ``images``, ``top1``, ``top5``, and ``flat``, the top-1 if every mask is its mean over space.

    Args:
        model: A network trained here.
        size: Shorter side of the input, in pixels; None takes the model's own.
        framing: ``center`` or ``whole``.
        flat: Whether flat masks are measured too.
    """
    with measured_sets(required_labels(model)) as sets:
        # Every set is a part of the first one's source, whose images need to be predicted once.
        everything = find_labelled([sets[0].source])
        names = {
            one.name: {file.name for file in find_labelled([one.source], one.only).files} for one in sets
        }
        acting = {p.file.name: p for p in predict_set(model, everything, framing, size=size, batch=32)}
        flattened = acting
        if flat:
            with flat_masks(model.network):
                predictions = predict_set(model, everything, framing, size=size, batch=32)
                flattened = {p.file.name: p for p in predictions}
    rows = []
    for name, chosen in names.items():
        of_set = [acting[file] for file in chosen]
        row = {"id": name, "images": len(of_set)}
        row |= {"top1": _share(p.predicted == p.truth for p in of_set)}
        row |= {"top5": _share(p.in_top_k for p in of_set)}
        if flat:
            row |= {"flat": _share(flattened[file].predicted == flattened[file].truth for file in chosen)}
        rows.append(row)
    return rows


def _share(hits: Iterable[bool]) -> float:
    return round(float(np.mean(list(hits))), 3)


def block_stds(model: sge.Model, size: int | None = None) -> dict[str, float]:
    """By block: the median over groups of the standard deviation of masks over space."""
    frames = (frame(image, model.preprocess, "center", size) for image in dev_images(STEP))
    return {name: median_mask_std(std) for name, std in mask_std(model.network, frames).items()}


def block_rows(model: sge.Model, signal: str, size: int | None = None) -> list[Row]:
    """By block: how often the best single group, chosen on all other images, lies on a nose and on an eye.

    Args:
        model: A network with SGE.
        signal: ``mask`` or ``similarity``.
        size: Shorter side of the input, in pixels; None takes the model's own.

    Returns:
        ``id``, and for each part ``PART`` (hits within ``REACH`` and half of it), ``PART_group`` (the group chosen most
        often), ``PART_random`` (all groups together) and ``PART_images``. The last row is the image's center.
    """
    lens, labels = sge.Lens(model), sure_labels()
    groups = {name: module.groups for name, module in sge_blocks(model.network).items()}
    found = peak_distances(lens, signal, labels, size, MIN_STRIDE)
    # Finer blocks come first in the network and are not in ``found``.
    end, rows = found["nose"].shape[1] - sum(groups.values()), []
    for name, count in groups.items():
        start, end = end, end + count
        if start >= 0:
            parts = ((part, distances[:, start:end]) for part, distances in found.items())
            rows.append(
                {"id": name} | {k: v for part, each in parts for k, v in _part_row(part, each).items()}
            )
    return [*rows, _center_row(labels)]


def _part_row(part: str, all_distances: npt.NDArray[np.floating[Any]]) -> Row:
    distances = all_distances[np.isfinite(all_distances).all(1)]
    best = best_single_group(distances, REACH)
    return {
        part: hit_rates(best.distances),
        f"{part}_group": int(np.bincount(best.groups).argmax()),
        f"{part}_random": hit_rates(distances),
        f"{part}_images": len(distances),
    }


def _center_row(labels: list[dict[str, Any]]) -> Row:
    row: Row = {"id": "center"}
    for part in ("nose", "eye"):
        middles = (np.array([[label["width"] / 2, label["height"] / 2]]) for label in labels)
        each = [part_distances(middle, label)[part] for middle, label in zip(middles, labels, strict=True)]
        distances: Array = np.concatenate(each)
        row |= {part: hit_rates(distances[np.isfinite(distances)])}
    return row


def hit_rates(distances: npt.NDArray[np.floating[Any]]) -> list[float]:
    """Share of distances within the reach, and within half of it, rounded to hundredths."""
    return [round(float((distances < reach).mean()), 2) for reach in (REACH, REACH / 2)]


def _texts(rates: list[float]) -> str:
    return " / ".join(f"{rate:.2f}" for rate in rates)


def _print_blocks(model: sge.Model, size: int | None) -> None:
    std = block_stds(model, size)
    for signal in ("mask", "similarity"):
        for row in block_rows(model, signal, size):
            if row["id"] == "center":
                print(f"the image's center: nose {_texts(row['nose'])}; eye {_texts(row['eye'])}")
                continue
            columns = [
                f"{part} g{row[f'{part}_group']} {_texts(row[part])}, at random {_texts(row[f'{part}_random'])}, of "
                f"{row[f'{part}_images']}"
                for part in ("nose", "eye")
            ]
            print("; ".join([f"{signal} of {row['id']} (std {std[row['id']]:.2f})", *columns]))


def main(
    name: Annotated[str, typer.Argument()] = PETS_MODEL,
    size: Annotated[int | None, typer.Argument()] = None,
) -> None:
    """Prints all figures."""
    model = load_torch_model(name)
    for row in accuracy_rows(model, size):
        print(
            f"{row['id']}: top-1 {row['top1']:.3f} (flat masks {row['flat']:.3f}), top-5 {row['top5']:.3f}, "
            f"{row['images']} images"
        )
    _print_blocks(model, size)


if __name__ == "__main__":
    typer.run(main)
