"""Prints the figures of an awake model beside those of its inactive self; docs/models.md has them.

Reads ../shared/data (or SGE_SHARED). Nothing here was seen while the gates learned: the 500 validation images
and the 150 of ``one_each.tar`` that ``held_back`` names were left out.

    .venv/bin/python docs/awake_figures.py [NAME]
"""

import json
import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import numpy as np
import torch
from opening_group import SHARED, peak

import sge
from sge.datasets.decoded_cache import images_in
from sge.datasets.imagenet import class_indices
from sge.images.decode import decode
from sge.images.framing import frame
from sge.models.registry import pretrained_model
from sge.nn.blocks import sge_blocks
from sge.training.mask_losses import openness

DATA = SHARED / "data"
HELD_BACK, SEED = 150, 0
BATCH = 25
PARTS = {"nose": ("nose",), "eye": ("left_eye", "right_eye")}
REACH, SIZE = 0.1, 320


def held_back() -> list[str]:
    """Names in ``one_each.tar`` that no gate may learn from."""
    names = sorted(name for name, _ in images_in(DATA / "one_each.tar"))
    return sorted(random.Random(SEED).sample(names, HELD_BACK))


def frames(model: sge.Model, sources: list) -> torch.Tensor:
    """(N, 3, 224, 224): the evaluation protocol."""
    return torch.stack(
        [torch.from_numpy(frame(decode(one), model.preprocess, "center").array) for one in sources]
    )


@contextmanager
def flat_masks(network: torch.nn.Module) -> Iterator[None]:
    """Every mask at its mean over space, in each image."""
    with ExitStack() as stack:
        for module in sge_blocks(network).values():
            handle = module.gate.register_forward_hook(lambda _m, _x, a: a.mean((2, 3), True).expand_as(a))
            stack.callback(handle.remove)
        yield


@torch.inference_mode()
def look(network: torch.nn.Module, images: torch.Tensor, *, flat: bool = False) -> tuple:
    """Classes (N,), and by block the masks' spread and openness by group; ``flat``: each mask at its mean."""
    hits, spreads, opens = [], {}, {}
    with flat_masks(network) if flat else nullcontext():
        for batch in images.split(BATCH):
            with sge.MaskCapture(network) as seen:
                hits.append(network(batch).argmax(1))
            for name, mask in seen.masks.items():
                spreads.setdefault(name, []).append(mask.std((2, 3)).mean(0))
                opens.setdefault(name, []).append(openness(mask))
    means = ({name: torch.stack(many).mean(0) for name, many in each.items()} for each in (spreads, opens))
    return torch.cat(hits), *means


def answers(awake: sge.Model, inactive: torch.nn.Module) -> None:
    """Accuracy, agreement, what the masks do."""
    folders = sorted(one.name for one in (DATA / "imagenet_val_dogs").iterdir())
    paths = [
        (path, index)
        for name, index in class_indices(folders, awake.labels).items()
        for path in sorted((DATA / "imagenet_val_dogs" / name).iterdir())
    ]
    truth = torch.tensor([index for _, index in paths])
    dogs = frames(awake, [path for path, _ in paths])
    wanted = set(held_back())
    others = frames(awake, [data for name, data in images_in(DATA / "one_each.tar") if name in wanted])
    ours, spreads, opens = look(awake.network, dogs)
    flat, _, _ = look(awake.network, dogs, flat=True)
    theirs, _, _ = look(inactive, dogs)
    there, _, _ = look(awake.network, others)
    agreed = {
        "validation dogs": (ours == theirs, len(dogs)),
        "held back": (there == look(inactive, others)[0], len(others)),
    }
    for name, classes in (("inactive", theirs), ("tuned", ours), ("awake, masks at their means", flat)):
        print(
            f"top-1 over {len(awake.labels)} classes, {len(truth)} images, {name}: {share(classes == truth)}"
        )
    for name, (same, count) in agreed.items():
        print(f"agreement with the inactive model, {name} ({count}): {share(same)}")
    for name, spread in spreads.items():
        print(f"{name}: median mask's spread {spread.median():.3f}, openness {opens[name].mean():.2f}")
    acting = sum(float(spread.median()) >= 0.1 for spread in spreads.values())
    print(f"blocks with a spread of at least 0.1: {acting} of {len(spreads)}")


def share(hits: torch.Tensor) -> str:
    """As a fraction of three digits."""
    return f"{hits.float().mean():.3f}"


def sure_labels() -> list[dict]:
    """Of the labelled images those that the labeller did not doubt."""
    labels = json.loads((DATA / "parts_dev.json").read_text("utf-8"))["images"]
    return [label for label in labels if not label["unsure"]]


def distances(
    lens: sge.Lens, signal: str, labels: list, size: int | None = SIZE, finest: int = 16
) -> dict[str, np.ndarray]:
    """By part (images, groups): the peak's distance from the nearest label, of the shorter side; NaN: none.

    Groups of blocks with a stride of at least ``finest``, in the network's order.
    """
    found: dict[str, list] = {kind: [] for kind in PARTS}
    for label in labels:
        image = decode(DATA / "parts_dev" / label["file"])
        analysis = lens.analyze_frames([frame(image, lens.model.preprocess, "whole", size)])[0]
        maps = getattr(analysis, signal)
        peaks = [
            peak(one, label)
            for block in analysis.blocks
            if block.stride >= finest
            for one in maps[block.name]
        ]
        for kind, away in from_parts(np.array(peaks), label).items():
            found[kind].append(away)
    return {kind: np.array(rows) for kind, rows in found.items()}


def from_parts(places: np.ndarray, label: dict) -> dict[str, np.ndarray]:
    """By part (N,): distance of places (N, 2) from the nearest label, of the image's shorter side; NaN: none."""
    found = {}
    for kind, keys in PARTS.items():
        points = [label[key] for key in keys if label[key]]
        away = np.linalg.norm(places[:, None] - np.array(points or [[np.nan] * 2]), axis=2)
        found[kind] = away.min(1) / min(label["width"], label["height"])
    return found


def left_out(away: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each image (N,) the group that is best on all others, and its distance on this one; (N, G) given."""
    hits = away < REACH
    chosen = (hits.sum(0, keepdims=True) - hits).argmax(1)
    return chosen, away[np.arange(len(away)), chosen]


def parts(lens: sge.Lens, signal: str, labels: list) -> None:
    """Hits of the best single group, chosen on all images but the one that is counted."""
    names = None
    for kind, away in distances(lens, signal, labels).items():
        away = away[np.isfinite(away).all(1)]
        chosen, distance = left_out(away)
        names = names or [
            f"{block}/g{g}"
            for block, module in sge_blocks(lens.model.network).items()
            for g in range(module.groups)
        ]
        first = len(names) - away.shape[1]  # the fine blocks come first and are left out
        within = [(distance < reach).mean() for reach in (REACH, REACH / 2)]
        favourite = names[first + np.bincount(chosen).argmax()]
        print(
            f"{signal}: {kind} {within[0]:.2f} within {REACH}, {within[1]:.2f} within {REACH / 2}, "
            f"of {len(away)}; mostly {favourite}"
        )


def main(name: str) -> None:
    """Everything."""
    awake = sge.load_model(name)
    inactive = pretrained_model(name).network(inactive=True)
    answers(awake, inactive)
    labels = sure_labels()
    parts(sge.Lens(awake), "masks", labels)
    awake.network.load_state_dict(inactive.state_dict())
    parts(sge.Lens(awake), "similarity", labels)


if __name__ == "__main__":
    main(*sys.argv[1:] or ["sge_efficientnet_lite0_tuned"])
