"""The tables of ``sge_resnet18_pets`` for docs/models.md; ``scripts.models.ship_pets`` measures and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripts.measure.none_of_these import WORDS
from scripts.models.pets_training import DOCUMENT, Log, classes_table, columns, gates_table, training_table
from scripts.render_tables import VERSION, Table
from sge.images import Preprocess
from sge.models import PETS_MODEL, NoneFits

SETS = {
    "dogs": "2,016 of Imagewoof's validation images (`dogs_dev.tar`), over all 45 classes; the epoch was chosen on a "
    "quarter of them, that of `sge_resnet18_dogs` on all, and the teacher's features were trained on most of them",
    "rest": "the 1,512 of them that did not choose the epoch of this training",
    "unseen": "the 84 of them that no ImageNet network was trained on",
    "pets": "472 images of Oxford-IIIT Pet (`pets_dev.tar`, not the official split), over all 45 classes; the epoch was "
    "chosen on them",
}
COMMANDS = {
    "dogs": "sge eval OUT/dev.tar --only woof--",
    "rest": "sge eval OUT/dev_rest.tar",
    "unseen": "sge eval OUT/dev.tar --only ILSVRC2012_val",
    "pets": "sge eval OUT/dev.tar --only pets--",
}
"""Of each set; OUT is written by ``python -m scripts.models.pets_data OUT``."""
LABELLED = (
    "66 labelled dog images that show a nose and 62 that show an eye, without those that the labeller doubted; they are in "
    "`dogs_dev.tar`, and no part label was used for training"
)
TRAINED = f"python -m scripts.measure.trained {PETS_MODEL}"
NONE_OF_THESE = "python -m scripts.measure.none_of_these"

Row = dict[str, Any]
BySize = dict[str, dict[int, float]]
"""Top-1 by framing and by size of the input in pixels."""


@dataclass(frozen=True)
class Measurements:
    """Everything that was measured of the shipped file."""

    accuracy: list[Row]
    """Of ``scripts.measure.trained.accuracy_rows`` in framing ``center``."""
    whole: list[Row]
    """The same in framing ``whole``."""
    sizes: BySize
    """Measured on the images that chose the epoch."""
    stds: Mapping[str, float]
    """Of ``block_stds``."""
    blocks: list[Row]
    """Of ``block_rows`` for masks."""
    hits: dict[str, tuple[int, int]]
    """Face, nose and eye to hits of the opening group, and images."""
    opening: str
    """``BLOCK/gGROUP``."""
    none_fits: NoneFits
    score_rows: list[Row]
    kind_rows: list[Row]
    logs: list[Log]
    """Of the stages of the training, the first one first."""


def make_figures(
    found: Measurements, preprocess: Preprocess, configs: list[Mapping[str, Any]]
) -> dict[str, Any]:
    """The content of ``weights/sge_resnet18_pets.figures.json``."""
    return {
        "version": VERSION,
        "model": PETS_MODEL,
        "tables": {
            "classes": classes_table(),
            "accuracy": accuracy_table(found, preprocess),
            "none_fits": none_fits_table(found),
            "none_fits_scores": scores_table(found),
            "blocks": blocks_table(found, preprocess),
            "opening_group": opening_table(found),
            "training": training_table(found.logs, configs),
            "gates": gates_table(found.logs),
        },
    }


def accuracy_table(found: Measurements, preprocess: Preprocess) -> Table:
    """Top-1 and top-5 by set, with flat masks, and in framing ``whole``."""
    center = f"shorter side {preprocess.resize}, center crop {preprocess.size}, one view"
    rows, whole = [], {row["id"]: row for row in found.whole}
    for row in found.accuracy:
        name = row["id"]
        stated = f"{SETS[name]}; {center} (`{COMMANDS[name]}`)"
        rows.append(_measure(f"top1_{name}", f"top-1, {_short(name)}", row["top1"], stated))
        rows.append(_measure(f"top5_{name}", f"top-5, {_short(name)}", row["top5"], "the same"))
        if name in ("dogs", "pets"):
            flat = f"the same (`{TRAINED}`)"
            rows.append(
                _measure(
                    f"flat_{name}",
                    f"top-1, {_short(name)}, every mask its mean over space",
                    row["flat"],
                    flat,
                )
            )
            text = f"the same images; whole image, shorter side {preprocess.whole}"
            rows.append(
                _measure(
                    f"whole_{name}", f"top-1, {_short(name)}, `whole` framing", whole[name]["top1"], text
                )
            )
    unseen = next(row for row in found.accuracy if row["id"] == "unseen")
    error = (unseen["top1"] * (1 - unseen["top1"]) / unseen["images"]) ** 0.5
    rows.append(
        _measure("error_unseen", "standard error of the top-1 on those 84", round(error, 3), "84 images")
    )
    for framing, measure, chosen in (
        ("center", "side of `center`", preprocess.size),
        ("whole", "shorter side of `whole`", preprocess.whole),
    ):
        sizes = ", ".join(f"{size} px {top1:.3f}" for size, top1 in found.sizes[framing].items())
        text = f"top-1 in `{framing}` framing on the 976 images that chose the epoch: {sizes}"
        rows.append(_measure(f"{framing}_size", measure, chosen, text))
    text = "every fourth dev image; makes the mean top-1 probability that of the center crop"
    rows.append(_measure("temperature", "temperature of `whole`", preprocess.whole_temperature, text, 2))
    return {
        "document": DOCUMENT,
        "command": f"python -m scripts.models.pets_data OUT && sge eval OUT/dev.tar --only woof-- --model {PETS_MODEL}",
        "columns": columns(measure="measure", value="value", set="set and protocol"),
        "rows": rows,
    }


def _measure(name: str, measure: str, value: Any, text: str, digits: int = 3) -> Row:
    return {"id": name, "measure": measure, "value": value, "set": text, "digits": digits}


def _short(name: str) -> str:
    return {
        "dogs": "dogs",
        "rest": "the other dogs",
        "unseen": "dogs unseen by the teacher",
        "pets": "pets",
    }[name]


def none_fits_table(found: Measurements) -> Table:
    """What the threshold does to each kind of image."""
    none_fits = found.none_fits
    return {
        "document": DOCUMENT,
        "set": (
            "its breeds: every second image of `dogs_dev.tar` and `pets_dev.tar`; others: every second image of "
            "`one_each.tar` without the 45 breeds, and `no_face`; none of these fitted or chose the score or gave the "
            "threshold"
        ),
        "protocol": (
            f"`whole` framing; {WORDS[none_fits.score]}, before any temperature, threshold "
            f"{none_fits.threshold['whole']}, which keeps 90 % of the other half of its breeds; AUROC against all images of "
            "its breeds"
        ),
        "command": NONE_OF_THESE,
        "columns": columns(kind="images", images="number", below="none fits", auroc="AUROC"),
        "rows": found.kind_rows,
    }


def scores_table(found: Measurements) -> Table:
    """The scores that were compared."""
    return {
        "document": DOCUMENT,
        "set": "choosing: the halves that no other figure uses, cross-validated; the others: the images of the table above",
        "protocol": "`whole` framing; the score with the largest AUROC on the images that choose is used",
        "command": NONE_OF_THESE,
        "columns": columns(
            score="score", choosing="AUROC, choosing", auroc="AUROC", caught="caught, 90 % kept"
        ),
        "rows": found.score_rows,
    }


def blocks_table(found: Measurements, preprocess: Preprocess) -> Table:
    """Standard deviation of masks, and single groups on parts, by block."""
    keys = ("nose", "nose_group", "eye", "eye_group", "nose_random", "eye_random")
    rows = [
        {"id": row["id"], "block": row["id"], "mask_std": round(found.stds[row["id"]], 2)}
        | {key: row[key] for key in keys}
        for row in found.blocks[:-1]
    ]
    center = {"id": "center", "block": "the image's center", "mask_std": None} | dict.fromkeys(keys)
    rows.append(center | {part: found.blocks[-1][part] for part in ("nose", "eye")})
    titles = columns(
        block="block", mask_std="mask std", nose="nose", nose_group="group", eye="eye", eye_group="group",
        nose_random="random group: nose", eye_random="eye",
    )  # fmt: skip
    return {
        "document": DOCUMENT,
        "set": LABELLED,
        "protocol": (
            f"whole images at {preprocess.whole} px; share of images in which the peak of the block's best single group, "
            "chosen for each image on all other images, lies within 0.1 / 0.05 of the shorter side"
        ),
        "command": TRAINED,
        "columns": [column | {"digits": 2} for column in titles],
        "rows": rows,
    }


def opening_table(found: Measurements) -> Table:
    """The group that viewers show first."""
    return {
        "document": DOCUMENT,
        "set": LABELLED,
        "protocol": (
            "peak of the group's mask; the label is the face, or a point within a tenth of the shorter side; the group was "
            "chosen on these same images"
        ),
        "command": f"python -m scripts.models.opening_group {PETS_MODEL}",
        "columns": columns(group="group", part="part", hits="hits", images="images"),
        "rows": [
            {"id": part, "group": f"`{found.opening}`", "part": part, "hits": hits, "images": images}
            for part, (hits, images) in found.hits.items()
        ],
    }
