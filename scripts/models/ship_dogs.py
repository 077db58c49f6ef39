"""Makes the shipped ``sge_resnet18_dogs`` of a training's best weights: half precision, and a card of what is measured.

Reads ../shared/data (or SGE_SHARED). docs/models.md has the training's command.

    .venv/bin/python docs/ship_dogs.py runs/dogs3/best.safetensors
"""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from awake_figures import flat_masks
from opening_group import counted
from temperature import compared
from trained_figures import DEV, UNSEEN, dev_images

import sge
from sge.evaluation.accuracy import evaluate
from sge.files import sha256_of
from sge.images.framing import Preprocess
from sge.models.checkpoint import read_weights, write_weights
from sge.models.model import CARD_VERSION
from sge.models.names import DOGS_MODEL
from sge.models.registry import load_model, shipped_entries
from sge.paths import shipped

WHOLE = 192
"""Shorter side at which a visitor's image is looked at, in pixels: finer masks than at the crop of the figures."""
EVERY = 4
"""The temperature is found on each so-many-th dev image."""


def main(trained: str) -> None:
    """Writes the file, measures what is in it, writes the card."""
    weights = read_weights(trained)
    metadata = {key: weights.metadata[key] for key in ("sge.arch", "sge.labels")} | {
        "sge.preprocess": asdict(sized(load_model(trained)))
    }
    state = {
        key: value.half() if value.is_floating_point() else value for key, value in weights.state.items()
    }
    file = shipped("weights") / f"{DOGS_MODEL}.safetensors"
    write_weights(file, state, metadata)
    card = described(file, weights.metadata["sge.card"])
    file.with_name(f"{DOGS_MODEL}.card.json").write_text(json.dumps(card, indent=2) + "\n", "utf-8")
    assert shipped_entries()[DOGS_MODEL].path == file
    load_model(DOGS_MODEL)


def sized(model: sge.Model) -> Preprocess:
    """What the shipped network is fed with; ``whole`` is as sure as the centre crop."""
    preprocess = replace(model.preprocess, whole=WHOLE)
    center, whole, temperature = compared(replace(model, preprocess=preprocess), dev_images(EVERY))
    print(f"center {center:.3f}, whole {whole:.3f}, temperature {temperature:.3f}")
    return replace(preprocess, whole_temperature=round(temperature, 2))


def opening(model: sge.Model) -> dict:
    """The group whose mask's peak lies most often on a face, a nose or an eye, all added up."""
    hits = counted(sge.Lens(model))
    name = max(hits["face"], key=lambda group: sum(sum(hits[kind][group]) for kind in hits))
    block, group = name.split("/g")
    faces = hits["face"][name]
    reason = f"on {sum(faces)} of {len(faces)} labelled dog photos its mask's peak lay on the face"
    return {"block": block, "group": int(group), "reason": reason}


def described(file: Path, trained: dict) -> dict:
    """The card."""
    model = sge.load_model(file)
    dev, unseen = (evaluate(model, DEV, only=only, batch=32) for only in (None, UNSEEN))
    with flat_masks(model.network):
        flat = evaluate(model, DEV, batch=32)
    protocol = f"shorter side {model.preprocess.resize}, centre crop {model.preprocess.size}, one view"
    command = f"sge eval dogs_dev.tar --model {DOGS_MODEL}"
    return {
        "version": CARD_VERSION,
        "title": "SGE-ResNet-18, dogs",
        "sentence": (
            "Knows ten dog breeds and nothing else: whatever it is shown, it names one of them. Trained from "
            "scratch, with SGE in every block."
        ),
        "gates": "trained",
        "data": (
            "Imagewoof's 9,025 training images (ten breeds of ImageNet), labels and the answers and similarity maps "
            "of sge_efficientnet_lite0; the epoch was chosen on 2,016 of Imagewoof's validation images"
        ),
        "accuracy": [
            {
                "images": dev.images,
                "top1": round(dev.top1, 3),
                "top5": round(dev.top5, 3),
                "set": (
                    "2,016 of Imagewoof's validation images, over its ten breeds; the epoch was chosen on them, and the "
                    "teacher has seen most of them"
                ),
                "protocol": protocol,
                "command": command,
            },
            {
                "images": unseen.images,
                "top1": round(unseen.top1, 3),
                "top5": round(unseen.top5, 3),
                "set": "those 84 of them that the teacher has not seen either",
                "protocol": protocol,
                "command": f"{command} --only {UNSEEN}",
            },
        ],
        "licence": "Apache-2.0; learned from ImageNet images, whose terms are for research and non-commercial use",
        "source": "trained with sge train; converted with python -m scripts.models.ship_dogs",
        "sha256": sha256_of(file),
        "opens_with": opening(model),
        "made_from": trained["made_from"]
        | {
            "measured": {
                "command": "python -m scripts.measure.trained",
                "top1_masks_at_their_means": round(flat.top1, 3),
            }
        },
    }


if __name__ == "__main__":
    main(sys.argv[1])
