"""Accuracy of a classifier on labelled images; the network needs no SGE."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sge.datasets.batching import batches_of_one_shape
from sge.datasets.imagenet import class_indices
from sge.datasets.labelled import Sample, contents, find_samples
from sge.devices import autocast, find_device, find_precision
from sge.errors import ChoiceError, ImageError, MissingPackageError
from sge.evaluation.calibration import Confusion, calibration_error, confusion
from sge.images.decode import decode
from sge.images.framing import Frame, frame, input_size
from sge.models.model import Model
from sge.nn.modes import eval_mode

TOP = 5

Samples = Iterable[Sample]
Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@dataclass(frozen=True)
class Evaluation:
    """How often the right class was first, or among the first five; with the protocol."""

    images: int
    """That were measured."""
    top1: float
    """Fraction, 0 to 1."""
    top5: float
    top1_among: float
    """Top-1 when only the classes of these images may win."""
    per_class: dict[str, float]
    """Folder name to top-1."""
    framing: str
    size: int
    """Shorter side of the input, in pixels."""
    precision: str
    sets: list[str]
    """Names of the folders and archives."""
    only: str | None
    """What the names of the images contain."""
    skipped: int
    """Broken images that were left out."""
    broken: dict[str, str]
    """Their names, and why."""
    empty: list[str]
    """Folders of classes that held no image; they count nowhere."""
    ece: float | None
    """Expected calibration error of the first answer, 15 bins; None without torchmetrics."""
    confusion: Confusion | None
    """None without torchmetrics."""


@dataclass(frozen=True)
class _Answer:
    truth: int
    first: int
    among: int
    in_top: bool
    confidence: float
    folder: str


def evaluate(
    model: Model,
    sources: Paths,
    framing: str = "center",
    track: Callable[[list[Sample]], Samples] = iter,
    *,
    only: str | None = None,
    size: int | None = None,
    batch: int = 16,
    device: str = "auto",
    precision: str = "auto",
    skip_broken: bool = False,
) -> Evaluation:
    """Top-1, top-5, calibration and confusion over all classes of the model.

    Args:
        model: From ``sge.load_model``, or any other; its network is moved to the device.
        sources: A folder with one folder a class in it, a ``.tar`` with members ``CLASS/name.ext``, or several.
        framing: ``center`` is the usual protocol.
        track: Wraps the list of images, for a progress bar.
        only: Keeps the images whose file name contains this.
        size: Another input size than the network's own, in pixels.
        batch: How many images of one framed shape go through the network together; no figure depends on it.
        device: ``auto``, ``cpu``, ``cuda``, ...
        precision: ``float32`` (also ``auto``), or ``bfloat16`` and ``float16`` by autocast.
        skip_broken: Count the images that cannot be read in place of refusing; figures are of the rest.

    Raises:
        ChoiceError: no such source, no images, a folder that is no class, or a setting out of range.
        ImageError: an image that cannot be read; accuracy of the rest would not be that of the set.
    """
    if batch < 1:
        raise ChoiceError(f"batch is {batch}; choose at least 1 image.")
    paths = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    side, precision = input_size(model.preprocess, framing, size), find_precision(precision)
    where = find_device(device)
    found = find_samples(paths, only)
    classes = class_indices(found.folders, model.labels)
    asked = _Asked(model, where, precision, classes, {classes[one.folder] for one in found.samples})
    broken: dict[str, str] | None = {} if skip_broken else None
    with eval_mode(asked.network), torch.inference_mode():
        frames = _frames(track(found.samples), model, framing, size, broken)
        answers = [
            answer
            for many in batches_of_one_shape(frames, lambda one: one[1].array.shape, batch)
            for answer in asked.answers(many)
        ]
    if not answers:
        raise ChoiceError(f"None of the {len(found.samples)} images can be read.")
    ece, confused = _with_torchmetrics(answers, model.labels)
    count = len(answers)
    return Evaluation(
        images=count,
        top1=sum(one.first == one.truth for one in answers) / count,
        top5=sum(one.in_top for one in answers) / count,
        top1_among=sum(one.among == one.truth for one in answers) / count,
        per_class=_per_class(answers, found.folders),
        framing=framing,
        size=side,
        precision=precision,
        sets=[one.resolve().name for one in found.sources],
        only=only,
        skipped=len(broken or {}),
        broken=broken or {},
        empty=found.empty,
        ece=ece,
        confusion=confused,
    )


def _frames(
    samples: Samples, model: Model, framing: str, size: int | None, broken: dict[str, str] | None
) -> Iterator[tuple[Sample, Frame]]:
    for sample, content in contents(samples):
        try:
            if isinstance(content, ImageError):
                raise content
            yield sample, frame(decode(content), model.preprocess, framing, size)
        except ImageError as error:
            name = str(sample.source / sample.name)
            if broken is None:
                raise type(error)(f"{name}: {error}") from error
            broken[name] = str(error)


Framed = list[tuple[Sample, Frame]]


class _Asked:
    """The network on its device, asked for classes alone: no masks, no parts."""

    def __init__(
        self, model: Model, device: torch.device, precision: str, classes: dict[str, int], own: set[int]
    ) -> None:
        self.network = model.network.to(device)
        self.labels, self.device, self.precision, self.classes = model.labels, device, precision, classes
        self.own = torch.tensor(sorted(own))

    def answers(self, framed: Framed) -> list[_Answer]:
        stacked = torch.stack([torch.from_numpy(one.array) for _, one in framed]).to(self.device)
        with autocast(self.device, self.precision):
            logits: Tensor = self.network(stacked)
        logits = logits.float().cpu()
        if logits.shape[1] != len(self.labels):
            raise ChoiceError(
                f"The network tells {logits.shape[1]} classes apart, and {len(self.labels)} labels are given. Give the "
                "Model a label for each class."
            )
        if not logits.isfinite().all():
            raise ChoiceError(
                f"The network answers with no finite number in {self.precision}. Choose another precision."
            )
        temperature = torch.tensor([[one.temperature] for _, one in framed])
        confidence = (logits / temperature).softmax(1).amax(1)
        # Of logits, whose order is that of the probabilities: those of a very sure network tie at 0.
        ranked = logits.topk(min(TOP, logits.shape[1])).indices.tolist()
        among = self.own[logits[:, self.own].argmax(1)]
        truths = [self.classes[sample.folder] for sample, _ in framed]
        return [
            _Answer(truth, ranked[i][0], int(among[i]), truth in ranked[i], float(confidence[i]), one.folder)
            for i, (truth, (one, _)) in enumerate(zip(truths, framed, strict=True))
        ]


def _per_class(answers: list[_Answer], folders: list[str]) -> dict[str, float]:
    hits: dict[str, list[bool]] = {name: [] for name in folders}
    for one in answers:
        hits[one.folder].append(one.first == one.truth)
    return {name: sum(each) / len(each) for name, each in hits.items() if each}


def _with_torchmetrics(answers: list[_Answer], labels: list[str]) -> tuple[float | None, Confusion | None]:
    truth = torch.tensor([one.truth for one in answers])
    first = torch.tensor([one.first for one in answers])
    confidence = torch.tensor([one.confidence for one in answers], dtype=torch.float64)
    try:
        return calibration_error(confidence, first == truth), confusion(truth, first, labels)
    except MissingPackageError:
        return None, None
