"""Makes the shipped ``sge_resnet18_dogs`` from the best weights of a training: half precision, and a measured card.

    python -m scripts.models.ship_dogs runs/dogs3/best.safetensors

Reads ../shared/data (or SGE_SHARED). docs/models.md has the command of the training. The card's
``none_fits`` is measured afterwards: ``python -m scripts.measure.none_fits``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import typer

import sge
from scripts.common import DEV, UNSEEN, dev_images
from scripts.models.opening_group import best_group, count_hits
from scripts.models.temperature import find_temperature
from sge.evaluation import evaluate, flat_masks
from sge.files import sha256_of
from sge.images import Preprocess
from sge.models import (
    CARD_VERSION,
    DOGS_MODEL,
    load_torch_model,
    read_weights,
    shipped_entries,
    write_weights,
)
from sge.paths import shipped

WHOLE = 192
"""Shorter side with framing ``whole``, in pixels: the masks are finer than those of the evaluation crop."""
STEP = 4
"""The temperature is found on every fourth dev image."""


def main(trained: Path) -> None:
    """Writes the weights, measures them, and writes the card."""
    weights = read_weights(trained)
    metadata = {key: weights.metadata[key] for key in ("sge.arch", "sge.labels")} | {
        "sge.preprocess": asdict(shipped_preprocess(load_torch_model(trained)))
    }
    state = {
        key: value.half() if value.is_floating_point() else value for key, value in weights.state.items()
    }
    file = shipped("weights") / f"{DOGS_MODEL}.safetensors"
    write_weights(file, state, metadata)
    card = make_card(file, weights.metadata["sge.card"])
    file.with_name(f"{DOGS_MODEL}.card.json").write_text(json.dumps(card, indent=2) + "\n", "utf-8")
    assert shipped_entries()[DOGS_MODEL].path == file
    load_torch_model(DOGS_MODEL)


def shipped_preprocess(model: sge.Model) -> Preprocess:
    """The preprocessing with a size and a temperature for framing ``whole``."""
    preprocess = replace(model.preprocess, whole=WHOLE)
    center, whole, temperature = find_temperature(replace(model, preprocess=preprocess), dev_images(STEP))
    print(f"center {center:.3f}, whole {whole:.3f}, temperature {temperature:.3f}")
    return replace(preprocess, whole_temperature=round(temperature, 2))


def opening_group(model: sge.Model) -> dict[str, Any]:
    """The card's ``opens_with``."""
    hits = count_hits(sge.Lens(model))
    name = best_group(hits)
    block, group = name.split("/g")
    faces = hits["face"][name]
    reason = f"on {sum(faces)} of {len(faces)} labelled dog images the peak of its mask is on the face"
    return {"block": block, "group": int(group), "reason": reason}


def make_card(file: Path, trained: dict[str, Any]) -> dict[str, Any]:
    """The card with its measured figures.

    Args:
        file: The shipped weights.
        trained: The card of the training's weights.
    """
    model = load_torch_model(file)
    with flat_masks(model.network):
        flat = evaluate(model, DEV, batch=32)
    measured = {
        "command": "python -m scripts.measure.trained sge_resnet18_dogs",
        "top1_masks_at_their_means": round(flat.top1, 3),
    }
    return {
        "version": CARD_VERSION,
        "title": "SGE-ResNet-18, dogs",
        "sentence": (
            "Recognizes ten dog breeds and nothing else: every image is assigned to one of them. Trained from "
            "scratch, with SGE in every block."
        ),
        "gates": "trained",
        "data": (
            "Imagewoof's 9,025 training images (ten breeds of ImageNet): labels, and the logits and similarity maps "
            "of sge_efficientnet_lite0; the epoch was chosen on 2,016 of Imagewoof's validation images"
        ),
        "accuracy": measure_accuracy(model),
        "licence": "Apache-2.0; trained on ImageNet images, whose terms allow research and non-commercial use",
        "source": "trained with sge train; converted with python -m scripts.models.ship_dogs",
        "sha256": sha256_of(file),
        "opens_with": opening_group(model),
        "made_from": trained["made_from"] | {"measured": measured},
    }


def measure_accuracy(model: sge.Model) -> list[dict[str, Any]]:
    """The card's figures on the dev images, and on those that the teacher was not trained on."""
    sets = {
        None: (
            "2,016 of Imagewoof's validation images, over its ten breeds; the epoch was chosen on them, and the "
            "teacher was trained on most of them"
        ),
        UNSEEN: "those 84 of them that the teacher was not trained on",
    }
    preprocess = model.preprocess
    figures = []
    for only, description in sets.items():
        result = evaluate(model, DEV, only=only, batch=32)
        option = "" if only is None else f" --only {only}"
        figures.append(
            {
                "images": result.images,
                "top1": round(result.top1, 3),
                "top5": round(result.top5, 3),
                "set": description,
                "protocol": f"shorter side {preprocess.resize}, center crop {preprocess.size}, one view",
                "command": f"sge eval dogs_dev.tar --model {DOGS_MODEL}{option}",
            }
        )
    return figures


if __name__ == "__main__":
    typer.run(main)
