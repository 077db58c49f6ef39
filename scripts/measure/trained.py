"""Prints what a network trained on ``dogs_train.tar`` is worth and what its gates do; docs/models.md has the figures.

Reads ../shared/data (or SGE_SHARED): accuracy on ``dogs_dev.tar``, parts in ``parts_dev``, of which nothing was learned.

    .venv/bin/python docs/trained_figures.py [MODEL_OR_FILE] [SIZE]
"""

import sys

import numpy as np
import torch
from awake_figures import DATA, REACH, distances, flat_masks, from_parts, left_out, sure_labels

import sge
from sge.datasets.decoded_cache import images_in
from sge.evaluation.accuracy import evaluate
from sge.images.decode import decode
from sge.images.framing import frame
from sge.models.names import DOGS_MODEL
from sge.nn.blocks import sge_blocks

DEV = DATA / "dogs_dev.tar"
UNSEEN = "ILSVRC2012_val"
"""Dev images that the ImageNet-trained teacher has not seen either."""
FINEST = 4
EVERY = 16
"""Masks are looked at in each so-many-th dev image."""


def dev_images(every: int) -> list[bytes]:
    """Files of each so-many-th dev image."""
    return [data for i, (_, data) in enumerate(images_in(DEV)) if i % every == 0]


def answers(model: sge.Model, size: int | None) -> None:
    """Accuracy with masks as they are, and flat."""
    for only in (None, UNSEEN):
        kind = {"framing": "center", "size": size, "only": only, "batch": 32}
        acting = evaluate(model, DEV, **kind)
        with flat_masks(model.network):
            flat = evaluate(model, DEV, **kind)
        print(
            f"top-1 {acting.top1:.3f} (masks at their means {flat.top1:.3f}), {acting.images} images {only or ''}"
        )


@torch.inference_mode()
def spreads(model: sge.Model, size: int | None) -> dict[str, float]:
    """By block the median group's mean standard deviation of its mask over space."""
    seen: dict[str, list] = {}
    for data in dev_images(EVERY):
        with sge.MaskCapture(model.network) as capture:
            model.network(torch.from_numpy(frame(decode(data), model.preprocess, "center", size).array)[None])
        for name, mask in capture.masks.items():
            seen.setdefault(name, []).append(mask.std((2, 3))[0])
    return {name: float(torch.stack(many).mean(0).median()) for name, many in seen.items()}


def parts(model: sge.Model, size: int | None, spread: dict[str, float]) -> None:
    """By block and part: the best single group's hits, chosen on all other images, and a group's at random."""
    lens, labels = sge.Lens(model), sure_labels()
    centres = [from_parts(np.array([[one["width"] / 2, one["height"] / 2]]), one) for one in labels]
    for kind in ("nose", "eye"):
        away = np.concatenate([one[kind] for one in centres])
        away = away[np.isfinite(away)]
        print(f"the image's centre: {kind} {hits(away)} of {len(away)}")
    for signal in ("masks", "similarity"):
        found = distances(lens, signal, labels, size, FINEST)
        first = 0
        groups = {name: module.groups for name, module in sge_blocks(model.network).items()}
        fine = sum(groups.values()) - found["nose"].shape[1]
        for name, count in groups.items():
            first += count
            if first <= fine:
                continue
            here = slice(first - count - fine, first - fine)
            line = [f"{signal} of {name} (spread {spread[name]:.2f})"]
            for kind, away in found.items():
                away = away[np.isfinite(away).all(1), here]
                chosen, distance = left_out(away)
                line.append(
                    f"{kind} g{np.bincount(chosen).argmax()} {hits(distance)}, at random {hits(away)}, of {len(away)}"
                )
            print("; ".join(line))


def hits(away: np.ndarray) -> str:
    """Within the reach and half of it."""
    return f"{(away < REACH).mean():.2f} / {(away < REACH / 2).mean():.2f}"


def main(name: str = DOGS_MODEL, size: str | None = None) -> None:
    """Everything."""
    model = sge.load_model(name)
    side = int(size) if size else None
    answers(model, side)
    parts(model, side, spreads(model, side))


if __name__ == "__main__":
    main(*sys.argv[1:])
