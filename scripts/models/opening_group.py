"""Which single group's peak lies most often on a dog's face, nose or eye: how the opening groups were chosen.

    .venv/bin/python docs/opening_group.py [NAME]

Inactive models are judged by their similarity, awake ones by their masks.

Reads the labelled photos of ../shared/data (or SGE_SHARED); the choice is made and counted on the same photos, so the
winner's figure flatters it: it says which group to show first, not how well it finds faces elsewhere.
"""

import json
import os
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

import sge

SHARED = Path(os.environ.get("SGE_SHARED", Path(__file__).resolve().parent.parent.parent / "shared"))
REACH = 0.1
"""Of the photo's shorter side."""


def main(name: str = "sge_efficientnet_lite0") -> None:
    """Prints the three best groups for each."""
    for kind, groups in counted(sge.Lens(sge.load_model(name))).items():
        best = sorted(groups, key=lambda name: -sum(groups[name]))[:3]
        print(kind, ", ".join(f"{name} {sum(groups[name])} of {len(groups[name])}" for name in best))


def counted(lens: sge.Lens) -> dict[str, dict[str, list[bool]]]:
    """By kind and ``block/gN``: photo by photo, whether the peak lay there."""
    labels = json.loads((SHARED / "data" / "parts_dev.json").read_text("utf-8"))["images"]
    hits: dict[str, dict[str, list[bool]]] = {kind: defaultdict(list) for kind in ("face", "nose", "eye")}
    for label in labels:
        if label["unsure"] or not label["face"]:
            continue
        analysis = lens.analyze(SHARED / "data" / "parts_dev" / label["file"])
        for block in analysis.blocks:
            for group, values in enumerate(analysis.maps(block.name) if block.stride >= 16 else ()):
                score(hits, f"{block.name}/g{group}", peak(values, label), label)
    return hits


def peak(values: np.ndarray, label: dict) -> np.ndarray:
    """(x, y) of the map's largest value, in pixels of the photo."""
    shape = (label["width"] // 4, label["height"] // 4)
    smooth = np.asarray(Image.fromarray(values).resize(shape, Image.Resampling.BICUBIC))
    row, col = np.unravel_index(smooth.argmax(), smooth.shape)
    return (np.array([col, row]) + 0.5) * (label["width"] / shape[0], label["height"] / shape[1])


def score(hits: dict, name: str, at: np.ndarray, label: dict) -> None:
    """Adds one photo's hit or miss."""
    left, top, right, bottom = label["face"]
    hits["face"][name].append(left <= at[0] <= right and top <= at[1] <= bottom)
    reach = REACH * min(label["width"], label["height"])
    for kind, keys in (("nose", ("nose",)), ("eye", ("left_eye", "right_eye"))):
        points = [np.array(label[key]) for key in keys if label[key]]
        if points:
            hits[kind][name].append(min(np.linalg.norm(at - point) for point in points) < reach)


if __name__ == "__main__":
    main(*sys.argv[1:])
