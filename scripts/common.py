"""What several scripts need: the shared data, its images and labels, and the peaks of maps."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sge.arrays import Array
from sge.datasets import ImageFile, decode_files, find_images
from sge.errors import ImageError
from sge.images import DecodedImage, decode, frame
from sge.lens import Lens
from sge.parts import KEYS

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("SGE_SHARED", ROOT.parent / "shared"))
DATA = SHARED / "data"
DEV = DATA / "dogs_dev.tar"
UNSEEN = "ILSVRC2012_val"
"""Begins the names of the images that ImageNet-trained networks have not seen."""
HELD_BACK, HELD_BACK_SEED = 150, 0
REACH = 0.1
"""Distance of a hit as a fraction of the image's shorter side."""
INK = "#16181d"
"""Text color of figures."""

Label = dict[str, Any]
"""One entry of a labels file: ``file``, ``width``, ``height``, ``face``, points and ``unsure``."""
Float64Array = npt.NDArray[np.float64]


def held_back() -> list[str]:
    """Names of the images in ``one_each.tar`` that no gate was tuned on."""
    names = sorted(file.name for file in find_images(DATA / "one_each.tar"))
    return sorted(random.Random(HELD_BACK_SEED).sample(names, HELD_BACK))


def decoded_each(files: Iterable[ImageFile]) -> Iterator[tuple[ImageFile, DecodedImage]]:
    """Each file with its image, one after the other, so that only one image is in memory.

    Raises:
        ImageError: an image cannot be read.
    """
    for file, image in decode_files(files):
        if isinstance(image, ImageError):
            raise image
        yield file, image


def decoded(files: Iterable[ImageFile]) -> list[DecodedImage]:
    """The images of files.

    Raises:
        ImageError: an image cannot be read.
    """
    return [image for _, image in decoded_each(files)]


def dev_images(step: int) -> list[DecodedImage]:
    """Every ``step``-th dev image of the dogs."""
    return decoded(find_images(DEV)[::step])


def sure_labels() -> list[Label]:
    """The labelled photos of dogs, without those that the labeller doubted."""
    record = json.loads((DATA / "parts_dev.json").read_text("utf-8"))
    key = "images" if "images" in record else "pictures"  # The latter is the key of version 1.
    labels: list[Label] = record[key]
    return [label for label in labels if not label["unsure"]]


def labelled_photo(label: Label) -> Path:
    """The file of a label."""
    return DATA / "parts_dev" / str(label["file"])


def peak(values: Array, label: Label) -> Float64Array:
    """Position (x, y) of a map's largest value, in pixels of the photo.

    Args:
        values: (h, w), float32.
        label: Gives the photo's size.
    """
    shape = (label["width"] // 4, label["height"] // 4)
    smooth = np.asarray(Image.fromarray(values).resize(shape, Image.Resampling.BICUBIC))
    row, col = np.unravel_index(smooth.argmax(), smooth.shape)
    cell = np.array([label["width"] / shape[0], label["height"] / shape[1]])
    position: Float64Array = (np.array([col, row]) + 0.5) * cell
    return position


def part_distances(positions: Float64Array, label: Label) -> dict[str, Float64Array]:
    """By part (N,): distance of positions (N, 2) from the nearest label, as a fraction of the shorter side.

    NaN where the photo does not show the part.
    """
    found = {}
    for part, keys in KEYS.items():
        points = [label[key] for key in keys if label[key]]
        distances = np.linalg.norm(positions[:, None] - np.array(points or [[np.nan] * 2]), axis=2)
        found[part] = distances.min(1) / min(label["width"], label["height"])
    return found


def peak_distances(
    lens: Lens, signal: str, labels: list[Label], size: int | None, min_stride: int = 16
) -> dict[str, Float64Array]:
    """By part (photos, groups): distance of each group's peak from the nearest label, as ``part_distances``.

    Args:
        lens: The model.
        signal: ``mask`` or ``similarity``.
        labels: The photos.
        size: Shorter side of the input, in pixels; None takes the model's own.
        min_stride: Only groups of blocks with at least this stride count, in the network's order.
    """
    found: dict[str, list[Float64Array]] = {part: [] for part in KEYS}
    for label in labels:
        framed = frame(decode(labelled_photo(label)), lens.model.preprocess, "whole", size)
        analysis = lens.analyze_frames([framed])[0]
        peaks = [
            peak(values, label)
            for block in analysis.blocks
            if block.stride >= min_stride
            for values in analysis.maps(block.name, signal)
        ]
        for part, distances in part_distances(np.array(peaks), label).items():
            found[part].append(distances)
    return {part: np.array(rows) for part, rows in found.items()}
