"""Accuracy of a classifier on labelled images; the network needs no SGE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from sge.datasets import (
    ImageFile,
    LabelledSet,
    batches_of_one_shape,
    class_indices,
)
from sge.devices import find_device, find_precision
from sge.errors import ChoiceError, MissingPackageError
from sge.evaluation.calibration import Confusion, calibration_error, confusion
from sge.evaluation.sets import Paths, SetReader, listed_labelled
from sge.images import Frame, frame, input_size
from sge.lens import class_probabilities, network_logits
from sge.models import Model, required_labels
from sge.nn import eval_mode

TOP_K = 5

Files = Iterable[ImageFile]


@dataclass(frozen=True)
class Evaluation:
    """Accuracy, calibration and confusion on a labelled set, with the protocol."""

    images: int
    """Number of images that were measured."""
    top1: float
    """Fraction of images whose predicted class is right, 0 to 1."""
    top5: float
    """Fraction of images whose class is among the five highest logits."""
    top1_among: float
    """Top-1 if only the classes of these images can be predicted."""
    per_class: dict[str, float]
    """Folder name to top-1."""
    framing: str
    size: int
    """Shorter side of the input, in pixels."""
    precision: str
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
    empty: list[str]
    """Class folders of which no image was measured; they do not enter any figure."""
    ece: float | None
    """Expected calibration error of the predicted class, 15 bins; None without torchmetrics."""
    confusion: Confusion | None
    """None without torchmetrics."""


@dataclass(frozen=True)
class LabelledPrediction:
    """What a network predicts for one labelled image."""

    file: ImageFile
    truth: int
    """Number of the right class."""
    predicted: int
    """Number of the class with the highest logit."""
    among: int
    """The same if only the classes of the set can be predicted."""
    in_top_k: bool
    """Whether the right class has one of the five highest logits."""
    confidence: float
    """Probability of the predicted class, after the framing's temperature."""


def evaluate(
    model: Model,
    sources: Paths,
    framing: str = "center",
    track: Callable[[list[ImageFile]], Files] = iter,
    *,
    only: str | None = None,
    size: int | None = None,
    batch: int = 16,
    device: str = "auto",
    precision: str = "auto",
    skip_broken: bool = False,
) -> Evaluation:
    """Measures top-1, top-5, calibration and confusion over all classes of a model.

    Args:
        model: From ``sge.load_model`` or your own; its network is moved to the device.
        sources: A folder with one folder per class, a ``.tar`` with members ``CLASS/name.ext``, or several of these.
        framing: ``center``, the usual protocol, or ``whole``.
        track: Wraps the list of images, for a progress bar.
        only: Measures only the images whose file name contains this text.
        size: Another input size than the network's own, in pixels.
        batch: Largest number of images of one framed shape in a forward pass; it changes no figure.
        device: ``auto``, ``cpu``, ``cuda``, ...
        precision: ``float32`` (also ``auto``), or ``bfloat16`` and ``float16`` by autocast.
        skip_broken: Leaves out images that cannot be read, and counts them, instead of raising.

    Raises:
        ChoiceError: a folder that is no class of the model, or a setting out of range.
        DataError: a source is missing or damaged, a class folder is empty, or no image can be read.
        ImageError: an image cannot be read; the accuracy of the others would not be that of the set.
    """
    side, precision = input_size(model.preprocess, framing, size), find_precision(precision)
    found = listed_labelled(sources, only)
    reader = SetReader.of(found, skip_broken)
    predictions = list(
        predict_set(
            model,
            found,
            framing,
            track,
            size=size,
            batch=batch,
            device=device,
            precision=precision,
            reader=reader,
        )
    )
    if not predictions:
        raise reader.none_readable(len(found.files))
    ece, confused = _with_torchmetrics(predictions, required_labels(model))
    count = len(predictions)
    return Evaluation(
        images=count,
        top1=sum(p.predicted == p.truth for p in predictions) / count,
        top5=sum(p.in_top_k for p in predictions) / count,
        top1_among=sum(p.among == p.truth for p in predictions) / count,
        per_class=_per_class(predictions, found.folders),
        framing=framing,
        size=side,
        precision=precision,
        sets=[source.resolve().name for source in found.sources],
        only=only,
        skipped=len(reader.broken),
        broken=reader.broken,
        not_images=reader.not_images,
        notes=reader.notes,
        empty=sorted(set(found.folders) - {prediction.file.folder for prediction in predictions}),
        ece=ece,
        confusion=confused,
    )


def predict_set(
    model: Model,
    images: LabelledSet,
    framing: str = "center",
    track: Callable[[list[ImageFile]], Files] = iter,
    *,
    size: int | None = None,
    batch: int = 16,
    device: str = "auto",
    precision: str = "auto",
    reader: SetReader | None = None,
) -> Iterator[LabelledPrediction]:
    """Predictions for the images of a labelled set; the other arguments are those of ``evaluate``.

    Args:
        model: The classifier.
        images: From ``find_labelled``.
        framing: ``center`` or ``whole``.
        track: Wraps the list of images.
        size: Another input size than the network's own, in pixels.
        batch: Largest number of images in a forward pass.
        device: ``auto``, ``cpu``, ``cuda``, ...
        precision: As in ``evaluate``.
        reader: Reads the images; by default one that ends at an image that cannot be read.

    Returns:
        One prediction per readable image; images of one shape follow each other, so that the order may differ
        from that of the set.

    Raises:
        SGEError: as ``evaluate``.
    """
    if batch < 1:
        raise ChoiceError(f"batch is {batch}; choose at least 1 image.")
    classes = class_indices(images.folders, required_labels(model))
    classifier = _Classifier(
        model,
        find_device(device),
        find_precision(precision),
        classes,
        {classes[f.folder] for f in images.files},
    )
    decoded = (reader or SetReader.of(images, skip_broken=False)).read(track(images.files))
    frames = ((file, frame(image, model.preprocess, framing, size)) for file, image in decoded)
    for framed in batches_of_one_shape(frames, lambda pair: pair[1].array.shape, batch):
        yield from classifier.predict(framed)


class _Classifier:
    """A network on its device that computes logits only."""

    def __init__(
        self, model: Model, device: torch.device, precision: str, classes: dict[str, int], own: set[int]
    ) -> None:
        self.network, self.precision, self.classes = model.network, precision, classes
        self.logits = network_logits(model, device, precision)
        self.own = torch.tensor(sorted(own))

    def predict(self, framed: list[tuple[ImageFile, Frame]]) -> list[LabelledPrediction]:
        # The network is in eval mode during the pass alone, because the caller may use it between two batches.
        with eval_mode(self.network):
            logits = self.logits(torch.from_numpy(np.stack([item.array for _, item in framed]))).cpu()
        if not logits.isfinite().all():
            raise ChoiceError(
                f"The network's logits are not finite in {self.precision}. Choose another precision."
            )
        temperature = torch.tensor([[item.temperature] for _, item in framed])
        confidence = class_probabilities((logits / temperature).numpy()).max(1)
        # Logits and not probabilities are ranked: the small probabilities of a confident network are all 0.
        ranked = logits.topk(min(TOP_K, logits.shape[1])).indices.tolist()
        among = self.own[logits[:, self.own].argmax(1)]
        truths = [self.classes[file.folder] for file, _ in framed]
        return [
            LabelledPrediction(
                file, truth, ranked[row][0], int(among[row]), truth in ranked[row], float(confidence[row])
            )
            for row, (truth, (file, _)) in enumerate(zip(truths, framed, strict=True))
        ]


def _per_class(predictions: list[LabelledPrediction], folders: list[str]) -> dict[str, float]:
    hits: dict[str, list[bool]] = {folder: [] for folder in folders}
    for prediction in predictions:
        hits[prediction.file.folder].append(prediction.predicted == prediction.truth)
    return {folder: sum(values) / len(values) for folder, values in hits.items() if values}


def _with_torchmetrics(
    predictions: list[LabelledPrediction], labels: list[str]
) -> tuple[float | None, Confusion | None]:
    truth = torch.tensor([p.truth for p in predictions])
    predicted = torch.tensor([p.predicted for p in predictions])
    confidence = torch.tensor([p.confidence for p in predictions], dtype=torch.float64)
    try:
        return calibration_error(confidence, predicted == truth), confusion(truth, predicted, labels)
    except MissingPackageError:
        return None, None
