"""Prints how well a score tells images of other things from those of a network's 45 breeds, and the threshold for its card.

    python -m scripts.measure.none_of_these [MODEL_OR_FILE] [--cache FILE.npz]

Reads ../shared/data (or SGE_SHARED). Every second image of ``dogs_dev.tar`` and ``pets_dev.tar``, and every second one of
``one_each.tar`` (without the 45 breeds), fit the weights of the readout, choose the score and give the thresholds; the
figures are those of the remaining images and of ``no_face``. docs/models.md has them.
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
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

import sge
from scripts.common import DATA, DEV, Float64Array, decoded
from scripts.models.pets_data import IMAGENET_IDS
from sge.arrays import Array
from sge.datasets import ImageFile, find_images
from sge.images import FRAMINGS, frame
from sge.lens import fit_scores, readout_inputs
from sge.models import PETS_MODEL, READOUT, NoneFits, load_torch_model

KEPT = 0.9
"""Share of the images of its own classes, in the half that gives the threshold, that the threshold keeps."""
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverses of the regularization among which the readout's is chosen, by cross-validation in ``FOLDS`` parts."""
FOLDS = 5
WORDS = {
    "max_probability": "largest probability",
    "max_logit": "largest logit",
    "energy": "energy",
    "negative_entropy": "negative entropy of the probabilities",
    READOUT: "weighted sum of the logits, their largest, energy, mean and deviation",
}
"""Score to what a table calls it."""
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

    def rows(self, *kinds: str) -> Rows:
        """(images,): whether an image is of one of these kinds."""
        found: Rows = np.isin(self.kinds, kinds)
        return found


@dataclass(frozen=True)
class Scored:
    """One score of every image of one framing; larger for images that fit better."""

    kinds: npt.NDArray[np.str_]
    values: Float64Array
    """(images,); of a readout, those of the images that fit its weights come from fits without them."""

    def of(self, *kinds: str) -> Float64Array:
        """The scores of the images of some kinds."""
        found: Float64Array = self.values[np.isin(self.kinds, kinds)]
        return found

    def auroc(self, own: tuple[str, ...], others: tuple[str, ...]) -> float:
        """Probability that an image of its own classes has a larger score than one of others."""
        values = self.of(*own), self.of(*others)
        truth = np.repeat([1, 0], [len(part) for part in values])
        return float(roc_auc_score(truth, np.concatenate(values)))

    @property
    def choosing(self) -> float:
        """The AUROC on the images that choose the score."""
        return self.auroc((CHOICE,), (CHOOSING_OTHERS,))

    @property
    def threshold(self) -> float:
        """The score that ``KEPT`` of the images of ``CHOICE`` reach."""
        return float(np.quantile(self.of(CHOICE), 1 - KEPT))

    def below(self, *kinds: str) -> float:
        """Share of the images of some kinds whose score lies below the threshold."""
        return float((self.of(*kinds) < self.threshold).mean())


@dataclass(frozen=True)
class Scores:
    """All scores by framing, and the weights of the readout."""

    by_framing: dict[str, dict[str, Scored]]
    """Framing and name of a score to its values."""
    weights: tuple[float, ...]
    """(classes + 4,): see ``sge.lens.readout_inputs``."""

    @property
    def best(self) -> str:
        """The score with the largest AUROC on the images that choose, in framing ``whole``."""
        whole = self.by_framing["whole"]
        return max(whole, key=lambda name: whole[name].choosing)


def compute_scores(by_framing: dict[str, Outputs]) -> Scores:
    """Fits the readout, on both framings together, and computes every score.

    Args:
        by_framing: Framing to the outputs of the same images in the same order.
    """
    first = next(iter(by_framing.values()))
    fitting = np.flatnonzero(first.rows(CHOICE, CHOOSING_OTHERS))
    own = first.rows(CHOICE)
    inputs = {framing: readout_inputs(outputs.logits) for framing, outputs in by_framing.items()}
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(fitting, own[fitting]))

    def fitted(rows: npt.NDArray[np.intp], strength: float) -> Float64Array:
        values = np.concatenate([each[rows] for each in inputs.values()])
        return _fit_weights(values, np.tile(own[rows], len(inputs)), strength)

    def held_out(strength: float) -> dict[str, Float64Array]:
        found = {framing: np.zeros(len(fitting)) for framing in inputs}
        for rest, held in folds:
            weights = fitted(fitting[rest], strength)
            for framing, each in inputs.items():
                found[framing][held] = each[fitting[held]] @ weights
        return found

    by_strength = {strength: held_out(strength) for strength in STRENGTHS}
    areas = {
        strength: np.mean([roc_auc_score(own[fitting], values) for values in found.values()])
        for strength, found in by_strength.items()
    }
    strength = max(areas, key=lambda one: areas[one])
    weights = fitted(fitting, strength)
    scores = {}
    for framing, outputs in by_framing.items():
        named: dict[str, Float64Array] = {
            name: values.astype(np.float64) for name, values in fit_scores(outputs.logits).items()
        }
        named[READOUT] = inputs[framing] @ weights
        named[READOUT][fitting] = by_strength[strength][framing]
        scores[framing] = {name: Scored(outputs.kinds, values) for name, values in named.items()}
    return Scores(scores, tuple(float(weight) for weight in weights.round(5)))


def _fit_weights(values: Array, own: Rows, strength: float) -> Float64Array:
    """Weights of a logistic regression for the values as they are, from one on standardized values."""
    mean, std = values.mean(0, np.float64), values.std(0, dtype=np.float64) + 1e-6
    model = LogisticRegression(C=strength, max_iter=3000, class_weight="balanced")
    weights: Float64Array = model.fit((values - mean) / std, own).coef_[0] / std
    return weights


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


def score_rows(scores: Scores) -> list[Row]:
    """By score: AUROC on the images that choose, AUROC and share of others below the threshold on the test images."""
    return [
        {
            "id": name,
            "score": WORDS[name] + (" (used)" if name == scores.best else ""),
            "choosing": round(scored.choosing, 3),
            "auroc": round(scored.auroc(OWN, OTHERS), 3),
            "caught": round(scored.below(*OTHERS), 3),
        }
        for name, scored in scores.by_framing["whole"].items()
    ]


def kind_rows(scored: Scored) -> list[Row]:
    """By kind of the test images: number, share below the threshold, and AUROC against all of its own classes."""
    groups = {kind: (kind,) for kind in (*OWN, *OTHERS)} | {"all own": OWN, "all others": OTHERS}
    return [
        {
            "id": label,
            "kind": label,
            "images": len(scored.of(*kinds)),
            "below": round(scored.below(*kinds), 3),
            "auroc": None if set(kinds) <= set(OWN) else round(scored.auroc(OWN, kinds), 3),
        }
        for label, kinds in groups.items()
    ]


def make_none_fits(scores: Scores, sentence: str) -> NoneFits:
    """The threshold for the card, with the best score.

    Args:
        scores: Of both framings.
        sentence: What a viewer says.
    """
    name = scores.best
    whole = scores.by_framing["whole"][name]
    own, others = len(whole.of(*OWN)), len(whole.of(*OTHERS))
    return NoneFits(
        score=name,
        threshold={framing: round(named[name].threshold, 4) for framing, named in scores.by_framing.items()},
        sentence=sentence,
        measured={
            "kept": round(1 - whole.below(*OWN), 3),
            "caught": round(whole.below(*OTHERS), 3),
            "auroc": round(whole.auroc(OWN, OTHERS), 3),
            "set": (
                f"kept: {own:,} images of its 45 breeds that did not give the threshold (dogs_dev.tar and pets_dev.tar); "
                f"caught: {others:,} images of other things that neither chose nor fitted the score (one_each.tar without "
                "the 45 breeds, and no_face)"
            ),
            "protocol": f"whole framing; the threshold keeps {KEPT:.0%} of the other half of its breeds' images",
            "command": "python -m scripts.measure.none_of_these",
        },
        weights=scores.weights if name == READOUT else None,
    )


def main(
    name: Annotated[str, typer.Argument()] = PETS_MODEL,
    cache: Annotated[Path | None, typer.Option(help="Keeps the network's logits in this .npz file.")] = None,
) -> None:
    """Prints all figures."""
    model = load_torch_model(name)
    scores = compute_scores({framing: read_outputs(model, framing, cache) for framing in FRAMINGS})
    for framing, named in scores.by_framing.items():
        for score, scored in named.items():
            typer.echo(
                f"{framing}, {score}: AUROC {scored.auroc(OWN, OTHERS):.3f} (choosing {scored.choosing:.3f}), caught "
                f"{scored.below(*OTHERS):.3f}, kept {1 - scored.below(*OWN):.3f}, threshold {scored.threshold:.4f}"
            )
        for row in kind_rows(named[scores.best]):
            typer.echo(f"  {row['kind']} ({row['images']}): below {row['below']:.3f}, AUROC {row['auroc']}")


if __name__ == "__main__":
    typer.run(main)
