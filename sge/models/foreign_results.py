"""What an ONNX file that somebody else made gives beside its maps: logits, or what may be a detector's anchors."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from sge.arrays import Array
from sge.errors import CheckpointError
from sge.models.exported_model import KINDS_OF_OUTPUTS, LOGITS, RANGE, RESULT
from sge.models.foreign_graph import FLOATS, Output
from sge.models.foreign_maps import ChosenMap
from sge.models.foreign_trial import OTHER, Trial
from sge.models.given import Given
from sge.models.stated import all_labels, given_labels
from sge.models.stated_labels import as_labels
from sge.models.wording import quoted

_NAME = re.compile(r"""\s*(\d{1,6})\s*:\s*('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")\s*(?:,\s*|$)""")
_MAX_NAMES = 1_000_000
"""Longest list of names in a file's metadata, in characters."""


@dataclass(frozen=True)
class Results:
    """What a file gives beside its maps."""

    outputs: tuple[Output, ...] = ()
    classes: int = 0
    notes: tuple[str, ...] = ()


def others_of(graph: onnx.GraphProto, chosen: list[ChosenMap]) -> list[Output]:
    """The floating outputs that are no maps."""
    taken = {one.tensor for one in chosen}
    made = {name for node in graph.node for name in node.output}
    return [
        Output(OTHER + one.name, one.name, len(one.type.tensor_type.shape.dim))
        for one in graph.output
        if one.name in made - taken
        and one.type.tensor_type.elem_type in FLOATS
        and one.name.partition("/")[0] not in KINDS_OF_OUTPUTS
    ]


def labels_given(given: Given, facts: Mapping[str, str], trial: Trial) -> list[str] | None:
    """Labels that the user gives, else those in the file's metadata, as ultralytics writes them.

    Args:
        given: Of the user.
        facts: The file's metadata.
        trial: What the file gave.

    Raises:
        CheckpointError: The labels that the user gives cannot be used.
    """
    if given.labels is None:
        return _names(facts.get("names", ""))
    counts = {values.shape[1] for values in _rows(trial, 2).values()}
    for count in sorted(counts):
        try:
            return given_labels(given.labels, count)
        except CheckpointError:
            if len(counts) == 1:
                raise
    return all_labels(given.labels)


def _names(text: str) -> list[str] | None:
    """Class names written as ``{0: 'cat', 1: 'dog'}``; None of any other text."""
    inside = text.strip()
    if not (0 < len(text) <= _MAX_NAMES and inside[0] == "{" and inside[-1] == "}"):
        return None
    found, at, inside = {}, 0, inside[1:-1]
    while entry := _NAME.match(inside, at):
        found[int(entry[1])] = str(ast.literal_eval(entry[2]))  # One text in quotation marks.
        at = entry.end()
    return as_labels(found) if at == len(inside) else None


def _rows(trial: Trial, axes: int) -> dict[str, Array]:
    """The outputs that are no maps, of one image, with a number of axes of which the first one is that of images."""
    return {
        name.removeprefix(OTHER): values
        for name, values in trial.found[0].items()
        if name.startswith(OTHER) and values.ndim == axes and len(values) == 1
    }


def results_of(trial: Trial, labels: int | None) -> Results:
    """The logits, or what may be a detector's anchors.

    Args:
        trial: What the file gave.
        labels: Number of labels; None without labels.
    """
    flat = {name: values.shape[1] for name, values in _rows(trial, 2).items() if values.shape[1] > 1}
    fitting = [name for name, count in flat.items() if count == labels] or list(flat)
    if len(fitting) == 1 or LOGITS in fitting:
        return _logits(trial, LOGITS if LOGITS in fitting else fitting[0])
    if fitting:
        names = ", ".join(map(quoted, fitting[:4]))
        return Results(notes=(f"Several outputs could be logits ({names}); none is named logits.",))
    anchors = list(_rows(trial, 3))
    return Results((Output(RESULT, anchors[0], 3),)) if anchors else Results()


def _logits(trial: Trial, tensor: str) -> Results:
    values = np.concatenate([each[OTHER + tensor] for each in trial.found])
    classes = values.shape[1]
    if not (values.min() >= 0 and values.max() <= 1):
        return Results((Output(LOGITS, tensor, 2),), classes)
    if np.abs(values.sum(1) - 1).max() > RANGE:
        note = f"The output {quoted(tensor)} gives each class a score of its own from 0 to 1, which is not read as classes."
        return Results(notes=(note,))
    note = f"The output {quoted(tensor)} gives probabilities; their logarithms are taken as logits."
    return Results((Output(LOGITS, tensor, 2, ("log",)),), classes, (note,))
