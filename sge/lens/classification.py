"""The classes and boxes of one image, from what its pass gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sge.analysis import Classification, Prediction
from sge.arrays import Array
from sge.images import Frame
from sge.lens.backends.base import Forward, Outputs
from sge.lens.boxes import boxes_on_image
from sge.lens.fit import find_fit
from sge.lens.labels import check_labels
from sge.lens.probabilities import class_probabilities

if TYPE_CHECKING:
    from sge.models import ExportedModel, Model


def classification(
    model: Model | ExportedModel, outputs: Forward | Outputs, row: int, frame: Frame, top_k: int
) -> Classification:
    """Predictions, fit and boxes of one image of a pass.

    Args:
        model: Gives the labels and the card.
        outputs: Of the pass.
        row: Number of the image in the pass.
        frame: The image.
        top_k: Number of classes.

    Raises:
        ChoiceError: the labels do not match the classes.
    """
    notes = (*frame.image.notes, *outputs.notes)
    is_detector = outputs.boxes is not None
    boxes = [] if outputs.boxes is None else boxes_on_image(outputs.boxes[row], frame.geometry, model.labels)
    if outputs.logits is None or model.labels is None:
        return Classification([], None, notes, boxes, is_detector)
    check_labels(model.labels, outputs.logits.shape[1])
    logits = outputs.logits[row]
    predictions = _predictions(model.labels, logits, frame.temperature, top_k)
    fit = find_fit(model.card.none_fits, logits, frame.geometry.framing)
    return Classification(predictions, fit, notes, boxes, is_detector)


def _predictions(labels: list[str], logits: Array, temperature: float, top_k: int) -> list[Prediction]:
    scores, raw_scores = class_probabilities(logits / np.float32(temperature)), class_probabilities(logits)
    best = np.argsort(-scores, kind="stable")[:top_k]
    return [
        Prediction(labels[index], float(scores[index]), int(index), float(raw_scores[index]))
        for index in best
    ]
