"""Logits with groups of SGE blocks ablated: many ablations of one image in one batch.

Each row of the batch is one ablation. The image enters the network once, as one row; at the earliest ablated block the
masks of all rows take the place of its one mask, and from there on every tensor has all rows. What comes before that
block is computed once. Some networks do not allow that (they concatenate with an earlier feature, or add to it in
place); whether one does is found out by comparison with one pass for each ablation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from sge.analysis import Groups
from sge.errors import CaptureError
from sge.lens.passes import Passes
from sge.nn import edit_masks

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

Removed = dict[str, Tensor]
"""Block name to (K, G), bool: whether each of K ablations removes the group."""


@dataclass(frozen=True)
class Rows:
    """K ablations of one image."""

    removed: Removed
    count: int
    """K, also if no block is concerned."""
    flat: bool = False
    """A removed group's mask becomes its mean over space instead of 0."""

    def part(self, chosen: Sequence[int]) -> Rows:
        """The ablations with the given numbers."""
        rows = list(chosen)
        return Rows({name: removed[rows] for name, removed in self.removed.items()}, len(rows), self.flat)

    def distinct(self) -> tuple[list[int], list[int]]:
        """Numbers of the ablations that differ, and for each ablation the position of its like among them."""
        seen: dict[bytes, int] = {}
        first: list[int] = []
        like: list[int] = []
        for row in range(self.count):
            key = b"".join(removed[row].numpy().tobytes() for removed in self.removed.values())
            if key not in seen:
                seen[key] = len(first)
                first.append(row)
            like.append(seen[key])
        return first, like


def removed_groups(sizes: Mapping[str, int], ablations: Sequence[Groups], mode: str) -> Rows:
    """One row for the unchanged network, then one for each ablation.

    Args:
        sizes: Block name to its number of groups.
        ablations: All of the same blocks.
        mode: One of ``MODES``.
    """
    removed = {}
    for name in ablations[0]:
        chosen = torch.zeros(len(ablations), sizes[name], dtype=torch.bool)
        for row, ablation in enumerate(ablations):
            chosen[row, ablation[name]] = True
        changed = ~chosen if mode == "only" else chosen
        removed[name] = torch.cat([torch.zeros_like(changed[:1]), changed])
    return Rows(removed, len(ablations) + 1, mode == "mean")


def ablated_logits(passes: Passes, image: Tensor, rows: Rows) -> Tensor:
    """Logits of one image with each of K ablations.

    Args:
        passes: Of the network.
        image: (1, 3, h, w) from ``passes.batch``.
        rows: The ablations.

    Returns:
        (K, classes), float32, on the CPU.

    Raises:
        CaptureError: the pass does not call the gates of the blocks.
    """
    key = ("way", *sorted(rows.removed))
    way = passes.found.get(key)
    if way is None:
        way = passes.found[key] = _find_way(passes, image, rows)
    most = max(1, min(MAX_ROWS, MAX_PIXELS // (image.shape[2] * image.shape[3])))
    first, like = rows.distinct()
    parts = [rows.part(first[start : start + most]) for start in range(0, len(first), most)]
    logits = torch.cat([_run(passes, image, part, str(way)) for part in parts])[like]
    passes.check_finite({"the logits": logits})
    return logits


def _run(passes: Passes, image: Tensor, rows: Rows, way: str) -> Tensor:
    if way == "single":
        ones = [rows.part([row]) for row in range(rows.count)]
        return torch.cat([_run(passes, image, one, "shared") for one in ones])
    batch = image.expand(rows.count, -1, -1, -1) if way == "batch" else image
    edits = {name: partial(_edit, removed, rows.flat) for name, removed in rows.removed.items()}
    with passes.inference() as view, edit_masks(view, edits) as calls:
        logits = passes.logits(view, batch)
    if unused := [name for name in edits if not calls[name]]:
        raise CaptureError(
            f"The forward pass does not call the gate of {', '.join(unused)}, so its groups cannot be ablated. Use a "
            "network that is not made by a tracer, and name only blocks that it uses."
        )
    if len(logits) != rows.count:
        raise CaptureError(
            f"The network gives logits of shape {tuple(logits.shape)} for {rows.count} images. Mend its forward: it must "
            "return one row for each image."
        )
    return logits.float().cpu()


def _edit(removed: Tensor, flat: bool, mask: Tensor) -> Tensor:
    chosen = removed.to(mask.device)[:, :, None, None]
    return torch.where(chosen, mask.mean((2, 3), keepdim=True) if flat else 0.0, mask)


def _find_way(passes: Passes, image: Tensor, rows: Rows) -> str:
    """The fastest way that gives the logits of one pass for each ablation, on a small version of the image."""
    if not rows.removed:
        return "single"
    random = torch.Generator().manual_seed(0)
    removed = {}
    for name, chosen in rows.removed.items():
        half = torch.rand(1, chosen.shape[1], generator=random) < 0.5
        removed[name] = torch.cat([torch.zeros_like(half), half, ~half])
    trial = Rows(removed, 3)
    small = adaptive_avg_pool2d(image.float(), TRIAL_SIZE).to(image.dtype)
    for inputs in (small, image):
        try:
            expected = _run(passes, inputs, trial, "single")
        except CaptureError:
            raise
        except Exception:
            if inputs is image:
                raise
            continue  # The network takes no image of that size.
        apart = min(float((expected[i] - expected[i - 1]).abs().max()) for i in range(3))
        for way in ("shared", "batch"):
            try:
                found = _run(passes, inputs, trial, way)
            except Exception:  # Any error of the network means that it cannot be run in this way.
                continue
            if float((found - expected).abs().max()) <= TRIAL_TOLERANCE * apart:
                return way
    return "single"
