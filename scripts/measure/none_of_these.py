"""Prints how well a score tells images of other things from those of a network's 45 breeds, and the threshold for its card.

    python -m scripts.measure.none_of_these [MODEL_OR_FILE] [--cache FILE.npz]

Reads ../shared/data (or SGE_SHARED). Every second image of ``dogs_dev.tar`` and ``pets_dev.tar`` gives the thresholds, and
every second one of ``one_each.tar`` (without the 45 breeds) chooses the score; the figures are those of the remaining images
and of ``no_face``. docs/models.md has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import typer
from sklearn.metrics import roc_auc_score

import sge
from scripts.common import DATA, DEV, Float64Array, decoded
from scripts.models.pets_data import IMAGENET_IDS
from sge.arrays import Array
from sge.datasets import ImageFile, find_images
from sge.images import FRAMINGS, frame
from sge.lens import fit_scores
from sge.models import FIT_SCORES, NoneFits, load_torch_model

KEPT = 0.9
"""Share of the images of its own classes, in the half that gives the threshold, that the threshold keeps."""
CHOICE, CHOOSING_OTHERS = "own, for the threshold", "others, for the choice of the score"
OWN_DOGS, OWN_PETS = "its breeds (Imagewoof)", "its breeds (Oxford-IIIT Pet)"
OWN = (OWN_DOGS, OWN_PETS)
BREEDS, ANIMALS = "dogs of other breeds (ImageNet)", "other animals (ImageNet)"
THINGS, NO_FACE = "things and places (ImageNet)", "things and places (`no_face`)"
OTHERS = (BREEDS, ANIMALS, THINGS, NO_FACE)
DOG_CLASSES, ANIMAL_CLASSES = range(151, 269), range(398)
"""ImageNet class numbers of domestic dogs, and of all animals."""

Row = dict[str, Any]
Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outputs:
    """A network's logits for the images of one framing."""

    kinds: npt.NDArray[np.str_]
    """(images,): ``CHOICE``, ``CHOOSING_OTHERS``, or a kind of ``OWN`` or ``OTHERS``."""
    logits: Array
    """(images, classes), float32, without a temperature."""

    def scores(self, name: str) -> Float64Array:
        """(images,): larger for images that fit better."""
        scores: Float64Array = fit_scores(self.logits)[name].astype(np.float64)
        return scores

    def rows(self, *kinds: str) -> Rows:
        """(images,): whether an image is of one of these kinds."""
        found: Rows = np.isin(self.kinds, kinds)
        return found

    def auroc(self, name: str, own: tuple[str, ...], others: tuple[str, ...]) -> float:
        """Probability that an image of its own classes has a larger score than one of others."""
        of_own, chosen = self.rows(*own), self.rows(*own, *others)
        return float(roc_auc_score(of_own[chosen], self.scores(name)[chosen]))

    def threshold(self, name: str) -> float:
        """The score that ``KEPT`` of the images of ``CHOICE`` reach."""
        return float(np.quantile(self.scores(name)[self.rows(CHOICE)], 1 - KEPT))

    def below(self, name: str, *kinds: str) -> float:
        """Share of the images of some kinds whose score lies below the threshold."""
        return float((self.scores(name)[self.rows(*kinds)] < self.threshold(name)).mean())


def files_by_kind() -> Iterator[tuple[str, ImageFile]]:
    """Every image with its kind. The alternation follows the stored order of each archive."""
    for archive, own in ((DEV, OWN_DOGS), (DATA / "pets_dev.tar", OWN_PETS)):
        for number, file in enumerate(find_images(archive)):
            yield (CHOICE if number % 2 == 0 else own), file
    others = (file for file in find_images(DATA / "one_each.tar") if _wordnet_id(file) not in IMAGENET_IDS)
    for number, file in enumerate(others):
        yield (CHOOSING_OTHERS if number % 2 == 0 else _imagenet_kind(file)), file
    for file in find_images(DATA / "no_face"):
        yield NO_FACE, file


def _wordnet_id(file: ImageFile) -> str:
    return file.name.rpartition("/")[2].split("_")[1]


def _imagenet_kind(file: ImageFile) -> str:
    index = int(file.name.rpartition("/")[2].split("_")[0])
    if index in DOG_CLASSES:
        return BREEDS
    return ANIMALS if index in ANIMAL_CLASSES else THINGS


@torch.inference_mode()
def compute_outputs(model: sge.Model, framing: str) -> Outputs:
    """Runs the network on every image, one after the other."""
    kinds, logits = [], []
    for kind, file in files_by_kind():
        array = frame(decoded([file])[0], model.preprocess, framing).array
        kinds.append(kind)
        logits.append(model.network(torch.from_numpy(array)[None]))
    return Outputs(np.array(kinds), torch.cat(logits).numpy())


def read_outputs(model: sge.Model, framing: str, cache: Path | None = None) -> Outputs:
    """``compute_outputs``, kept in a file by framing if one is given."""
    stored = dict(np.load(cache)) if cache and cache.exists() else {}
    if f"{framing}/logits" not in stored:
        found = compute_outputs(model, framing)
        stored |= {f"{framing}/kinds": found.kinds, f"{framing}/logits": found.logits}
        if cache:
            np.savez(cache, allow_pickle=False, **stored)
    return Outputs(stored[f"{framing}/kinds"], stored[f"{framing}/logits"])


def score_rows(outputs: Outputs) -> list[Row]:
    """By score: AUROC on the images that choose, AUROC and share of others below the threshold on the test images."""
    return [
        {
            "id": name,
            "score": name.replace("_", " "),
            "choosing": round(outputs.auroc(name, (CHOICE,), (CHOOSING_OTHERS,)), 3),
            "auroc": round(outputs.auroc(name, OWN, OTHERS), 3),
            "caught": round(outputs.below(name, *OTHERS), 3),
        }
        for name in FIT_SCORES
    ]


def best_score(outputs: Outputs) -> str:
    """The score with the largest AUROC on the images that choose."""
    return max(FIT_SCORES, key=lambda name: outputs.auroc(name, (CHOICE,), (CHOOSING_OTHERS,)))


def kind_rows(outputs: Outputs, name: str) -> list[Row]:
    """By kind of the test images: number, share below the threshold, and AUROC against all of its own classes."""
    groups = {kind: (kind,) for kind in (*OWN, *OTHERS)} | {"all own": OWN, "all others": OTHERS}
    return [
        {
            "id": label,
            "kind": label,
            "images": int(outputs.rows(*kinds).sum()),
            "below": round(outputs.below(name, *kinds), 3),
            "auroc": None if set(kinds) <= set(OWN) else round(outputs.auroc(name, OWN, kinds), 3),
        }
        for label, kinds in groups.items()
    ]


def make_none_fits(by_framing: dict[str, Outputs], sentence: str) -> NoneFits:
    """The threshold for the card, with the score that is best in framing ``whole``.

    Args:
        by_framing: Framing to its outputs; ``whole`` is one of them.
        sentence: What a viewer says.
    """
    whole = by_framing["whole"]
    name = best_score(whole)
    counts = {kinds: int(whole.rows(*kinds).sum()) for kinds in (OWN, OTHERS)}
    return NoneFits(
        score=name,
        threshold={framing: round(outputs.threshold(name), 4) for framing, outputs in by_framing.items()},
        sentence=sentence,
        measured={
            "kept": round(1 - whole.below(name, *OWN), 3),
            "caught": round(whole.below(name, *OTHERS), 3),
            "auroc": round(whole.auroc(name, OWN, OTHERS), 3),
            "set": (
                f"kept: {counts[OWN]:,} images of its 45 breeds that did not give the threshold (dogs_dev.tar and "
                f"pets_dev.tar); caught: {counts[OTHERS]:,} images of other things that did not choose the score "
                "(one_each.tar without the 45 breeds, and no_face)"
            ),
            "protocol": f"whole framing; the threshold keeps {KEPT:.0%} of the other half of its breeds' images",
            "command": "python -m scripts.measure.none_of_these",
        },
    )


def main(
    name: Annotated[str, typer.Argument()] = "sge_resnet18_pets",
    cache: Annotated[Path | None, typer.Option(help="Keeps the network's logits in this .npz file.")] = None,
) -> None:
    """Prints all figures."""
    model = load_torch_model(name)
    for framing in FRAMINGS:
        outputs = read_outputs(model, framing, cache)
        for row in score_rows(outputs):
            typer.echo(
                f"{framing}, {row['id']}: AUROC {row['auroc']:.3f} (choosing {row['choosing']:.3f}), ",
                nl=False,
            )
            typer.echo(f"caught {row['caught']:.3f}, threshold {outputs.threshold(row['id']):.4f}")
        for row in kind_rows(outputs, best_score(outputs)):
            typer.echo(f"  {row['kind']} ({row['images']}): below {row['below']:.3f}, AUROC {row['auroc']}")


if __name__ == "__main__":
    typer.run(main)
