"""Top-1 of a network when the masks of one block, or of all, are flat."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sge.arrays import Array
from sge.datasets import ImageFile, batches_of_one_shape, class_indices
from sge.devices import find_device
from sge.errors import CaptureError, ChoiceError, check_seed
from sge.evaluation.gates import flatten_mask, median_mask_std
from sge.evaluation.intervals import Interval, mean_interval
from sge.evaluation.sets import Paths, SetReader, listed_labelled
from sge.images import frame, input_size
from sge.lens import network_logits
from sge.models import Model, required_labels
from sge.nn import MaskCapture, edit_masks, eval_mode, fast_format, sge_blocks

ALL = "all blocks"
"""Name of the row in which every block's masks are flat."""

Files = Iterable[ImageFile]


@dataclass(frozen=True)
class FlatBlock:
    """What happens when the masks of one block are replaced by their means over space."""

    block: str
    """Name of the block, or ``all blocks``."""
    groups: int
    mask_std: float
    """Median over groups of the mask's standard deviation over space, averaged over images; 0 if masks are constant."""
    top1: float
    """Fraction of images whose predicted class is right, 0 to 1."""
    difference: Interval
    """Top-1 with flat masks minus that with the masks as they are, paired by image: below 0 if the masks help."""
    changed: float
    """Fraction of images whose predicted class changes."""


@dataclass(frozen=True)
class GateAccuracy:
    """Top-1 with the masks as they are and with flat ones, with the protocol."""

    images: int
    top1: Interval
    """With the masks as they are."""
    blocks: list[FlatBlock]
    """All blocks together first, then each block in the order of the network."""
    framing: str
    size: int
    """Shorter side of the input, in pixels."""
    seed: int
    sets: list[str]
    """Names of the folders and archives."""
    only: str | None
    """Text that the names of the images contain; None if all were measured."""
    skipped: int
    """Number of images that cannot be read and were left out."""
    broken: dict[str, str]
    """Paths of these images, and of folders and links that cannot be read, with the reasons."""
    not_images: dict[str, str]
    """Paths of files that are no images, and of folders that systems make, with the reasons."""
    notes: dict[str, list[str]]
    """Paths of images about which the decoder says something, with its sentences."""


def measure_gates(
    model: Model,
    sources: Paths,
    framing: str = "center",
    track: Callable[[list[ImageFile]], Files] = iter,
    *,
    only: str | None = None,
    limit: int | None = None,
    size: int | None = None,
    batch: int = 16,
    device: str = "auto",
    seed: int = 0,
    skip_broken: bool = False,
) -> GateAccuracy:
    """Measures what the positions that the gates choose contribute to the accuracy, block by block.

    A flat mask is the mask's mean over space, in each image and group (mode ``mean`` of ``lens.ablate``).

    Args:
        model: With SGE; its network is moved to the device.
        sources: A folder with one folder per class, a ``.tar`` with members ``CLASS/name.ext``, or several of these.
        framing: ``center``, the usual protocol, or ``whole``.
        track: Wraps the list of images, for a progress bar.
        only: Measures only the images whose file name contains this text.
        limit: Measures a random sample of so many images; None measures all.
        size: Another input size than the network's own, in pixels.
        batch: Largest number of images of one framed shape in a forward pass; it changes no figure.
        device: ``auto``, ``cpu``, ``cuda``, ...
        seed: Of the sample and the intervals.
        skip_broken: Leaves out images that cannot be read, and lists them, instead of raising.

    Raises:
        CaptureError: the network has no SGE.
        ChoiceError: a folder that is no class of the model, or a setting out of range.
        DataError: a source is missing or damaged, a class folder is empty, or no image can be read.
        ImageError: an image cannot be read.
    """
    side = input_size(model.preprocess, framing, size)
    if batch < 1:
        raise ChoiceError(f"batch is {batch}; choose at least 1 image.")
    check_seed(seed)
    if not sge_blocks(model.network):
        raise CaptureError(
            f"{model.name} has no SGE, whose masks could be flat. Choose a model of `sge models list`, or give the "
            "network some with sge.insert_sge."
        )
    found = listed_labelled(sources, only, limit, seed)
    classes = class_indices(found.folders, required_labels(model))
    reader = SetReader.of(found, skip_broken)
    counts = _Counts(model, network_logits(model, find_device(device)))
    decoded = reader.read(track(found.files))
    frames = ((file, frame(image, model.preprocess, framing, size)) for file, image in decoded)
    with eval_mode(model.network), torch.no_grad():
        for pairs in batches_of_one_shape(frames, lambda pair: pair[1].array.shape, batch):
            truth = np.array([classes[file.folder] for file, _ in pairs])
            counts.add(np.stack([framed.array for _, framed in pairs]), truth)
    if not counts.truth:
        raise reader.none_readable(len(found.files))
    top1, blocks = counts.result(seed)
    return GateAccuracy(
        images=top1.images,
        top1=top1,
        blocks=blocks,
        framing=framing,
        size=side,
        seed=seed,
        sets=[source.resolve().name for source in found.sources],
        only=only,
        skipped=len(reader.broken),
        broken=reader.broken,
        not_images=reader.not_images,
        notes=reader.notes,
    )


@dataclass
class _Counts:
    """Predictions of every variant of the network, batch by batch."""

    model: Model
    logits: Callable[[Tensor], Tensor]
    """From ``network_logits``."""
    truth: list[int] = field(default_factory=list)
    plain: list[int] = field(default_factory=list)
    """Predicted class of each image."""
    flat: dict[str, list[int]] = field(default_factory=dict)
    """The same by row of the table."""
    std: dict[str, list[Array]] = field(default_factory=dict)
    """Block name to one (N, G) for each batch."""

    def add(self, images: Array, truth: Array) -> None:
        network = self.model.network
        # Convolutions on a CPU are faster in this memory format; the values are the same to rounding.
        batch = torch.from_numpy(images).contiguous(memory_format=fast_format(network))
        with MaskCapture(network, list(sge_blocks(network))) as captured:
            self.plain += self._predicted(self.logits(batch))
        for name, mask in captured.masks.items():
            self.std.setdefault(name, []).append(mask.float().std((2, 3)).cpu().numpy())
        chosen = {ALL: list(captured.masks)} | {name: [name] for name in captured.masks}
        for row, names in chosen.items():
            with edit_masks(network, dict.fromkeys(names, flatten_mask)):
                self.flat.setdefault(row, []).extend(self._predicted(self.logits(batch)))
        self.truth += truth.tolist()

    def _predicted(self, logits: Tensor) -> list[int]:
        if not logits.isfinite().all():
            raise ChoiceError("The network's logits are not finite. Check the weights of the model.")
        return logits.argmax(1).tolist()

    def result(self, seed: int) -> tuple[Interval, list[FlatBlock]]:
        truth, plain = np.array(self.truth), np.array(self.plain)
        hits = (plain == truth).astype(np.float64)
        groups = {name: module.groups for name, module in sge_blocks(self.model.network).items()}
        stds = {name: np.concatenate(found).mean(0) for name, found in self.std.items()}
        stds[ALL] = np.concatenate(list(stds.values()))
        groups[ALL] = len(stds[ALL])
        rows = []
        for name, predicted in self.flat.items():
            flat = np.array(predicted)
            difference = mean_interval(((flat == truth) - hits).tolist(), seed)
            assert difference is not None
            rows.append(
                FlatBlock(
                    block=name,
                    groups=groups[name],
                    mask_std=median_mask_std(stds[name]),
                    top1=float((flat == truth).mean()),
                    difference=difference,
                    changed=float((flat != plain).mean()),
                )
            )
        top1 = mean_interval(hits.tolist(), seed)
        assert top1 is not None
        return top1, rows
