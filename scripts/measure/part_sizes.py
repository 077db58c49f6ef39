"""Compares sizes of the input and ways of fitting detectors, by cross-validation on images that are not held back.

    python -m scripts.measure.part_sizes MODEL FOLDER

FOLDER holds the images and archives of ``labels/``. Prints one line of JSON for each way and combination of sizes: shares of
images whose highest part is within 0.1 and 0.05 of any labelled face, over all kinds; precision and recall over all faces;
and what the passes at other sizes than the network's own cost, in passes at that size. Takes about a quarter of an hour.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.common import ROOT
from sge import Lens
from sge.cli.labelled_files import LabelledFiles
from sge.images import Geometry
from sge.lens.part_features import PartFeatures
from sge.models import load_torch_model
from sge.parts import (
    FIT_SIZES,
    RECIPES,
    FacesImage,
    Maps,
    calibrated_detector,
    evaluate_faces,
    fit_readouts,
    for_fitting,
    read_faces,
)
from sge.parts.detector_fit import Fit, Recipe

LABELS = ("faces.json", "main_dogs.json", "no_face.json")
WAYS = RECIPES | {"groups, sparse, weights of at least 0": Recipe(1e-3, channels=False, non_negative=True)}
COMBINATIONS = (
    (320,),
    (256, 416),
    (320, 416),
    (192, 320, 416),
    (256, 320, 416),
    (320, 544),
    (192, 320, 544),
    (256, 416, 544),
    FIT_SIZES,
)
LIMITS = (0.2, 0.5)
"""Confidence from which a part is listed, and from which it is sure."""


def row(
    fit: Fit, images: Sequence[FacesImage], sizes: Sequence[int], number: int, own: int
) -> dict[str, Any]:
    """Figures of one way of fitting that looks at some of the sizes.

    Args:
        fit: Whose held-out logits are of all of ``FIT_SIZES``.
        images: Of the fit.
        sizes: Those at which the detector looks.
        number: Of the way.
        own: The network's own size, whose pass is shared with the analysis.
    """
    kept = [
        [one for one, size in zip(image, FIT_SIZES, strict=True) if size in sizes] for image in fit.held_out
    ]
    found = calibrated_detector(replace(fit, held_out=kept), images, sizes, number)
    record = evaluate_faces(found.held_out, *LIMITS)
    figures: dict[str, Any] = {
        "way": list(WAYS)[number],
        "sizes": sizes,
        "passes": round(sum((size / own) ** 2 for size in sizes if size != own), 2),
        "faces": record["faces"],
        "false_alarms": record["false_alarms"][-1]["shown"]["of"],
    }
    for part in fit.parts:
        rows = [one for one in record["hits"] if one["part"] == part]
        total = sum(one["images"] for one in rows)
        for key in ("any_0.1", "any_0.05", "auc"):
            mean = sum(one["images"] * one[key]["value"] for one in rows) / total
            figures[f"{part}_{key}"] = round(mean, 3)
    return figures


def main(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER")],
) -> None:
    """Prints the lines."""
    images = for_fitting([image for name in LABELS for image in read_faces(ROOT / "labels" / name)])
    loaded = load_torch_model(model, finder=False)
    lens = Lens(loaded)
    features = PartFeatures(lens)
    with closing(LabelledFiles(folder)) as files:
        files.check(images)

        def source(number: int, sizes: Sequence[int]) -> Iterator[tuple[Maps, Geometry]]:
            return features.of_frame(lens.frame(files.open(images[number])), sizes)

        fit = fit_readouts(images, source, list(WAYS.values()), FIT_SIZES)
    own = loaded.preprocess.whole or loaded.preprocess.size
    for number in range(len(WAYS)):
        for sizes in COMBINATIONS:
            typer.echo(json.dumps(row(fit, images, sizes, number, own)))


if __name__ == "__main__":
    typer.run(main)
