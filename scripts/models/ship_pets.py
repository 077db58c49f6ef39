"""Makes the shipped ``sge_resnet18_pets`` from the result of its training: half precision, a measured card, and figures.

    python -m scripts.models.ship_pets runs/pets2/best.safetensors --earlier runs/pets [--out weights]

Reads ../shared/data (or SGE_SHARED), and ``log.csv`` beside the weights and in the folders of earlier stages. Everything is
measured on the file that is written: accuracy over all 45 classes with and without flat masks, framing ``whole``,
temperature, masks and single groups by block, the opening group, and the threshold below which none of the breeds fits.
Then render docs/models.md: ``python -m scripts.render_tables``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

import sge
from scripts.common import DATA, DEV, decoded
from scripts.measure.none_of_these import (
    compute_outputs,
    compute_scores,
    kind_rows,
    make_none_fits,
    score_rows,
)
from scripts.measure.trained import accuracy_rows, block_rows, block_stds
from scripts.models import pets_data
from scripts.models.opening_group import best_group, count_hits
from scripts.models.pets_figures import COMMANDS, SETS, TRAINED, BySize, Measurements, make_figures
from scripts.models.pets_training import Log, configs_of, read_log
from scripts.models.temperature import find_temperature
from scripts.render_tables import SUFFIX
from sge.datasets import find_images
from sge.evaluation import evaluate
from sge.files import sha256_of, write_atomically
from sge.images import FRAMINGS, Preprocess
from sge.models import (
    CARD_VERSION,
    PETS_MODEL,
    load_torch_model,
    read_weights,
    required_labels,
    write_weights,
)
from sge.paths import shipped

SIZES = {"center": (160, 176, 192), "whole": (160, 192, 224)}
"""By framing: the sizes of the input, in pixels, among which one is chosen; masks are finer on a larger image."""
STEP = 4
"""The temperature is found on every fourth dev image."""
SENTENCE = "None of its 45 breeds fits well."


def main(
    trained: Path,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of an earlier stage of the training; several times for several, the first one first."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="By default the shipped folder.")] = None,
) -> None:
    """Writes the weights, measures them, and writes the card and the figures."""
    folder = out or shipped("weights")
    before = load_torch_model(trained)
    if required_labels(before) != pets_data.LABELS:
        raise typer.BadParameter("The file's classes are not the 45 of scripts.models.pets_data.")
    made_from = before.card.made_from or {}
    logs = [read_log(stage / "log.csv") for stage in (*(earlier or []), trained.parent)]
    configs = configs_of(made_from, len(logs))
    sizes = accuracy_by_size(before)
    typer.echo(f"top-1 by framing and size: {sizes}", err=True)
    file = folder / f"{PETS_MODEL}.safetensors"
    preprocess = shipped_preprocess(before, sizes)
    write_half(trained, file, preprocess)
    model = load_torch_model(file)
    found = measure(model, sizes, logs)
    card = make_card(file, found, preprocess, made_from)
    stated = folder / f"{PETS_MODEL}{SUFFIX}"
    figures = with_other_documents(make_figures(found, preprocess, configs), stated)
    write_atomically(folder / f"{PETS_MODEL}.card.json", (json.dumps(card, indent=2) + "\n").encode())
    write_atomically(stated, (json.dumps(figures, indent=1) + "\n").encode())
    for row in found.accuracy:
        typer.echo(f"{row['id']}: top-1 {row['top1']:.3f}, flat {row['flat']:.3f}, {row['images']} images")


def with_other_documents(figures: dict[str, Any], stated: Path) -> dict[str, Any]:
    """The figures with those tables of a file that belong to other documents, such as docs/faithfulness.md."""
    tables = json.loads(stated.read_text("utf-8"))["tables"] if stated.exists() else {}
    documents = {table["document"] for table in figures["tables"].values()}
    others = {name: table for name, table in tables.items() if table["document"] not in documents}
    return figures | {"tables": figures["tables"] | others}


def write_half(trained: Path, file: Path, preprocess: Preprocess) -> None:
    """Writes weights in half precision, with the names of a shipped file."""
    weights = read_weights(trained)
    metadata = {key: weights.metadata[key] for key in ("sge.arch", "sge.labels")} | {
        "sge.preprocess": asdict(preprocess)
    }
    state = {
        key: value.half() if value.is_floating_point() else value for key, value in weights.state.items()
    }
    write_weights(file, state, metadata)


def accuracy_by_size(model: sge.Model) -> BySize:
    """Top-1 by framing and size of the input, on the images that chose the epoch."""
    with TemporaryDirectory() as name:
        pets_data.build(Path(name), training=False)
        source = Path(name) / pets_data.CHOOSING
        return {
            framing: {
                size: round(evaluate(model, source, framing, size=size, batch=32).top1, 3) for size in sizes
            }
            for framing, sizes in SIZES.items()
        }


def shipped_preprocess(model: sge.Model, sizes: BySize) -> Preprocess:
    """The preprocessing with the best size of each framing, and with a temperature for framing ``whole``."""
    chosen = {framing: max(tops, key=lambda size: tops[size]) for framing, tops in sizes.items()}
    resize = round(chosen["center"] * model.preprocess.resize / model.preprocess.size)
    preprocess = replace(model.preprocess, size=chosen["center"], resize=resize, whole=chosen["whole"])
    files = [file for source in (DEV, DATA / "pets_dev.tar") for file in find_images(source)[::STEP]]
    center, shown, temperature = find_temperature(replace(model, preprocess=preprocess), decoded(files))
    typer.echo(f"center {center:.3f}, whole {shown:.3f}, temperature {temperature:.3f}", err=True)
    return replace(preprocess, whole_temperature=round(temperature, 2))


def measure(model: sge.Model, sizes: BySize, logs: list[Log]) -> Measurements:
    """Everything that the card and the figures state of the shipped file."""
    scores = compute_scores({framing: compute_outputs(model, framing) for framing in FRAMINGS})
    hits = count_hits(sge.Lens(model))
    opening = best_group(hits)
    return Measurements(
        accuracy=accuracy_rows(model),
        whole=accuracy_rows(model, framing="whole", flat=False),
        sizes=sizes,
        stds=block_stds(model),
        blocks=block_rows(model, "mask"),
        hits={kind: (sum(found[opening]), len(found[opening])) for kind, found in hits.items()},
        opening=opening,
        none_fits=make_none_fits(scores, SENTENCE),
        score_rows=score_rows(scores),
        kind_rows=kind_rows(scores.by_framing["whole"][scores.best]),
        logs=logs,
    )


def make_card(
    file: Path, found: Measurements, preprocess: Preprocess, made_from: dict[str, Any]
) -> dict[str, Any]:
    """The card's record.

    Args:
        file: The shipped weights.
        found: What was measured of them.
        preprocess: Of the shipped weights.
        made_from: Of the training's card.
    """
    block, group = found.opening.split("/g")
    faces, images = found.hits["face"]
    flat = {row["id"]: row["flat"] for row in found.accuracy}
    measured = {
        "command": TRAINED,
        "top1_masks_at_their_means": flat["dogs"],
        "top1_masks_at_their_means_pets": flat["pets"],
    }
    cats = len(pets_data.CATS)
    return {
        "version": CARD_VERSION,
        "title": "SGE-ResNet-18, cats and dogs",
        "sentence": (
            f"Recognizes {len(pets_data.LABELS) - cats} kinds of dogs and {cats} breeds of cats and nothing else: every "
            "image is assigned to one of them. Trained from scratch, first on ten breeds (sge_resnet18_dogs), with SGE in "
            "every block."
        ),
        "gates": "trained",
        "data": (
            "Imagewoof's 9,025 training images and 3,051 images of Oxford-IIIT Pet: labels, and the logits and similarity "
            "maps of sge_efficientnet_lite0 with a classifier for the 45 classes that was fitted to the same images; the "
            "epoch was chosen on 504 of Imagewoof's validation images and 472 of Oxford-IIIT Pet; none of the images is "
            "distributed"
        ),
        "accuracy": [_accuracy(row, preprocess) for row in found.accuracy],
        "licence": (
            "Apache-2.0; trained on ImageNet images, whose terms allow research and non-commercial use, and on Oxford-IIIT "
            "Pet (Parkhi, Vedaldi, Zisserman and Jawahar, CVPR 2012; CC BY-SA 4.0, the photographers keep their rights)"
        ),
        "source": "trained with sge train; converted with python -m scripts.models.ship_pets",
        "sha256": sha256_of(file),
        "opens_with": {
            "block": block,
            "group": int(group),
            "reason": f"on {faces} of {images} labelled dog images the peak of its mask is on the face",
        },
        "none_fits": asdict(found.none_fits),
        "made_from": made_from | {"measured": measured},
    }


def _accuracy(row: dict[str, Any], preprocess: Preprocess) -> dict[str, Any]:
    return {
        "images": row["images"],
        "top1": row["top1"],
        "top5": row["top5"],
        "set": SETS[row["id"]].replace("`", ""),
        "protocol": f"shorter side {preprocess.resize}, center crop {preprocess.size}, one view",
        "command": f"python -m scripts.models.pets_data OUT && {COMMANDS[row['id']]} --model {PETS_MODEL}",
    }


if __name__ == "__main__":
    typer.run(main)
