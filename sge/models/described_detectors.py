"""The paper's detectors by name: ``sge:faster_rcnn?depth=50&num_classes=81@weights.pth``."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from torch import nn

from sge.errors import CheckpointError
from sge.images import MAX_SIZE, Preprocess
from sge.models.architectures import State
from sge.models.description import Description
from sge.models.stated import Labels, given_labels
from sge.nn import DETECTORS, build_detector, from_mmdetection, is_mmdetection

ANCHORS = ("backbone.conv1.weight", "backbone.body.conv1.weight")
"""One key of every detector, with mmdetection's names or those of this package."""
ARGUMENTS = ("depth", "num_classes", "size")
"""Keyword arguments of a description; see ``sge_detector``."""
BACKGROUND = "background"
"""Label of class 0, which no box has."""
_SIZE = 800
_TITLES = {"faster_rcnn": "Faster R-CNN", "mask_rcnn": "Mask R-CNN", "cascade_rcnn": "Cascade R-CNN"}


def is_detector(description: Description) -> bool:
    """Whether a description names one of the paper's detectors."""
    return description.library == "sge" and description.name in DETECTORS


def make_detector(name: str, **kwargs: Any) -> nn.Module:
    """The network with random weights; keyword arguments are ``ARGUMENTS`` and ``groups``."""
    return build_detector(name, **kwargs)


def own_names(description: Description, state: State) -> State:
    """A file's weights under the names of this package; mmdetection's are converted.

    Raises:
        CheckpointError: mmdetection's names of another detector.
    """
    if not is_detector(description) or not is_mmdetection(state):
        return state
    return from_mmdetection(state, description.name)


def usual_preprocess(description: Description) -> Preprocess:
    """Pixels of 0 to 1 in the size at which the detector looks at them; it normalizes and resizes them itself."""
    size = description.kwargs.get("size", _SIZE)
    return Preprocess.unnormalized(min(size if isinstance(size, int) else _SIZE, MAX_SIZE))


def title_of(description: Description) -> str:
    """The detector for people."""
    return f"{_TITLES[description.name]} on SGE-ResNet-{description.kwargs.get('depth', 50)}"


def with_background(
    count: int, given: Labels | None, beside: Mapping[str, list[str]]
) -> tuple[Labels | None, dict[str, list[str]]]:
    """Labels of a user and those beside the weights, that of the background before them where it is left out.

    Args:
        count: Number of classes with the background.
        given: What the user gives.
        beside: Lists of names beside the weights; mmdetection's are without the background.
    """
    if given is not None:
        with contextlib.suppress(CheckpointError):  # One for each class, or the sentence on them comes later.
            given = [BACKGROUND, *given_labels(given, count - 1)]
    return given, {
        entry: [BACKGROUND, *names] if len(names) == count - 1 else names for entry, names in beside.items()
    }
