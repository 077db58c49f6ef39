"""Logits with groups of SGE blocks ablated: many ablations of one image in one batch.

Each row of the batch is one ablation. The image enters the network once, as one row; at the earliest ablated block the
masks of all rows take the place of its one mask, and from there on every tensor has all rows. What comes before that
block is computed once. Some networks do not allow that (they concatenate with an earlier feature, or add to it in
place); whether one does is found out by comparison with one pass for each ablation.
"""

from __future__ import annotations

import numpy as np

from sge.arrays import Array
from sge.errors import CaptureError
from sge.lens.backends.base import Backend
from sge.lens.given_up import end_if_given_up
from sge.lens.rows import Rows

MAX_ROWS = 32
"""Largest number of ablations in one forward pass."""
MAX_PIXELS = MAX_ROWS * 256 * 256
"""Largest number of input pixels in one forward pass, over all its rows."""
TRIAL_SIZE = 64
"""Side of the input on which the ways to run a network are compared, in pixels."""
TRIAL_TOLERANCE = 0.02
"""Largest difference between two ways, as a fraction of the smallest difference between two ablations."""
WAYS = ("shared", "batch", "single")
"""The image as one row up to the first ablated block; as all rows from the start; one pass for each ablation."""


def ablated_logits(backend: Backend, image: Array, rows: Rows) -> Array:
    """Logits of one image with each of K ablations.

    Args:
        backend: Of the network.
        image: (1, channels, h, w).
        rows: The ablations.

    Returns:
        (K, classes), float32.

    Raises:
        CaptureError: the pass does not call the gates of the blocks.
        GivenUpError: nobody waits for the result any more; see ``given_up_when``.
    """
    end_if_given_up()
    key = ("way", *sorted(rows.removed))
    way = backend.found.get(key)
    if way is None:
        way = backend.found[key] = _find_way(backend, image, rows)
    most = max(1, min(MAX_ROWS, MAX_PIXELS // (image.shape[2] * image.shape[3]))) if way != "single" else 1
    first, like = rows.distinct()
    parts = [rows.part(first[start : start + most]) for start in range(0, len(first), most)]
    made = []
    for part in parts:
        end_if_given_up()
        made.append(_run(backend, image, part, str(way)))
    logits: Array = np.concatenate(made)[like]
    backend.check_finite({"the logits": logits})
    return logits


def _run(backend: Backend, image: Array, rows: Rows, way: str) -> Array:
    if way == "single":
        return np.concatenate([backend.ablated(image, rows.part([row]), True) for row in range(rows.count)])
    return backend.ablated(image, rows, way == "shared")


def _find_way(backend: Backend, image: Array, rows: Rows) -> str:
    """The fastest way that gives the logits of one pass for each ablation, on a small version of the image."""
    if not rows.removed:
        return "single"
    random = np.random.default_rng(0)
    removed = {}
    for name, chosen in rows.removed.items():
        half = random.random((1, chosen.shape[1])) < 0.5
        removed[name] = np.concatenate([np.zeros_like(half), half, ~half])
    trial = Rows(removed, 3)
    for inputs in (_small(image), image):
        try:
            expected = _run(backend, inputs, trial, "single")
        except CaptureError:
            raise
        except Exception:
            if inputs is image:
                raise
            continue  # The network takes no image of that size.
        apart = min(float(np.abs(expected[i] - expected[i - 1]).max()) for i in range(3))
        for way in ("shared", "batch"):
            try:
                found = _run(backend, inputs, trial, way)
            except Exception:  # Any error of the network means that it cannot be run in this way.
                continue
            if float(np.abs(found - expected).max()) <= TRIAL_TOLERANCE * apart:
                return way
    return "single"


def _small(image: Array) -> Array:
    """Every so many pixels of the image, ``TRIAL_SIZE`` along each side."""
    rows, cols = (np.arange(TRIAL_SIZE) * side // TRIAL_SIZE for side in image.shape[2:])
    return np.ascontiguousarray(image[:, :, rows][..., cols])
