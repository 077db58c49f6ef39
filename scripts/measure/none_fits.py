"""Prints how well a score tells images of other things from those of a small network's own classes.

    python -m scripts.measure.none_fits [--cache FILE.npz]

Reads ../shared/data (or SGE_SHARED). Half of ``dogs_dev.tar`` gives the thresholds that keep 95 % and 90 % of the network's
own classes; the other half, and images of other breeds, animals and things, tell what the threshold does. No image of
another thing has a part in the threshold. docs/models.md has the figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from sklearn.metrics import roc_auc_score

import sge
from scripts.common import DATA, DEV, Float64Array, decoded
from sge.arrays import Array
from sge.datasets import ImageFile, find_images
from sge.images import FRAMINGS, frame
from sge.lens import fit_scores
from sge.models import DOGS_MODEL, FIT_SCORES, imagenet_labels, load_torch_model, required_labels

KEPT = (0.95, 0.9)
"""Shares of the images of its own classes, in the half that gives the threshold, that a threshold keeps."""
OWN, PETS_OWN = "own breeds, not used for the threshold", "own breeds of another data set (beagle, Samoyed)"
OTHERS = [
    "other breeds (ImageNet)",
    "other breeds (Pets)",
    "cats (Pets)",
    "other animals (ImageNet)",
    "things and places (ImageNet)",
]
PETS_OF_ITS_BREEDS = ("beagle", "samoyed")
DOG_CLASSES, ANIMAL_CLASSES = range(151, 269), range(398)
"""ImageNet class numbers of domestic dogs, and of all animals."""


@dataclass(frozen=True)
class Outputs:
    """What the network computes from the images of one framing."""

    kinds: list[str]
    """Kind of each image; ``choice`` for those that give the threshold."""
    logits: Array
    """(images, classes), float32."""
    cosine: Array
    """(images,), float32: largest cosine between the features and the weights of a class."""

    def scores(self, name: str) -> Float64Array:
        """(images,): larger values for images that fit better."""
        if name == "cosine":
            return self.cosine.astype(np.float64)
        scores: Float64Array = fit_scores(self.logits)[name].astype(np.float64)
        return scores


def files_by_kind(labels: list[str]) -> Iterator[tuple[str, ImageFile]]:
    """Every image, with its kind."""
    for number, file in enumerate(find_images(DEV)):
        yield ("choice" if number % 2 == 0 else OWN), file
    names = imagenet_labels()
    for archive in ("one_each.tar", "no_face"):
        for file in find_images(DATA / archive):
            index = int(file.name[:3])
            if names[index] not in labels:
                yield _imagenet_kind(index), file
    for file in find_images(DATA / "pets_dev.tar"):
        if file.folder in PETS_OF_ITS_BREEDS:
            yield PETS_OWN, file
        else:
            yield ("cats (Pets)" if file.folder[0].isupper() else "other breeds (Pets)"), file


def _imagenet_kind(index: int) -> str:
    if index in DOG_CLASSES:
        return "other breeds (ImageNet)"
    return "other animals (ImageNet)" if index in ANIMAL_CLASSES else "things and places (ImageNet)"


@torch.inference_mode()
def compute_outputs(model: sge.Model, framing: str) -> Outputs:
    """Runs the network on every image, one after the other."""
    fc = model.network.fc
    assert isinstance(fc, torch.nn.Linear)
    features: list[torch.Tensor] = []
    handle = fc.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0].clone()))
    kinds, logits = [], []
    for kind, file in files_by_kind(required_labels(model)):
        array = frame(decoded([file])[0], model.preprocess, framing).array
        kinds.append(kind)
        logits.append(model.network(torch.from_numpy(array)[None]))
    handle.remove()
    cosine = torch.nn.functional.normalize(torch.cat(features)) @ torch.nn.functional.normalize(fc.weight).T
    return Outputs(kinds, torch.cat(logits).numpy(), cosine.amax(1).numpy())


def print_scores(framing: str, outputs: Outputs) -> None:
    """Threshold and figures of every score."""
    kinds = np.array(outputs.kinds)
    own, other = kinds == OWN, np.isin(kinds, OTHERS)
    parts = {
        OWN: own,
        PETS_OWN: kinds == PETS_OWN,
        **{kind: kinds == kind for kind in OTHERS},
        "others": other,
    }
    for name in (*FIT_SCORES, "cosine"):
        scores = outputs.scores(name)
        thresholds = np.quantile(scores[kinds == "choice"], 1 - np.array(KEPT))
        print(f"{framing}, {name}: thresholds {', '.join(f'{value:.4f}' for value in thresholds)}")
        for kind, rows in parts.items():
            below = ", ".join(f"{(scores[rows] < threshold).mean():.3f}" for threshold in thresholds)
            auroc = "" if kind == OWN else f", AUROC {roc_auc_score(own[own | rows], scores[own | rows]):.3f}"
            print(f"  {kind} ({rows.sum()}): below {below}{auroc}")


def main(
    name: Annotated[str, typer.Argument()] = DOGS_MODEL,
    cache: Annotated[Path | None, typer.Option(help="Keeps the network's outputs in this .npz file.")] = None,
) -> None:
    """Prints all figures."""
    model = load_torch_model(name)
    stored = dict(np.load(cache)) if cache and cache.exists() else {}
    for framing in FRAMINGS:
        if f"{framing}/logits" not in stored:
            found = compute_outputs(model, framing)
            stored |= {
                f"{framing}/kinds": np.array(found.kinds),
                f"{framing}/logits": found.logits,
                f"{framing}/cosine": found.cosine,
            }
            if cache:
                np.savez(cache, **stored)
        arrays = (stored[f"{framing}/{key}"] for key in ("logits", "cosine"))
        print_scores(framing, Outputs(stored[f"{framing}/kinds"].tolist(), *arrays))


if __name__ == "__main__":
    typer.run(main)
