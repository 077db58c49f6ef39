"""Labels of the classes: one for each, and how a class is found by its label."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from sge.errors import ChoiceError, check_whole

MAX_DIGITS = 20
"""Longest number that may be that of a class."""
MAX_NAMED = 5
"""Number of labels that an error names."""


def check_labels(labels: Sequence[str], classes: int) -> None:
    """Checks that there is one label for each class.

    Args:
        labels: Of a model.
        classes: Number of the network's logits.

    Raises:
        ChoiceError: the numbers differ.
    """
    if classes != len(labels):
        raise ChoiceError(
            f"The network has {classes} classes, and {len(labels)} labels are given. "
            "Give the Model a label for each class."
        )


def check_class(index: int, classes: int) -> None:
    """Checks that a network has a class. A model may state more labels than its network has classes.

    Raises:
        ChoiceError: It has not.
    """
    if not 0 <= index < classes:
        raise ChoiceError(
            f"target is {index}, and the network has {classes} classes. Give the Model a label for each class."
        )


def labels_or_numbers(labels: Sequence[str] | None, classes: int) -> list[str]:
    """The labels of a model; without any, the numbers of the classes in words.

    Raises:
        ChoiceError: labels of another number.
    """
    if labels is None:
        return [f"class {index}" for index in range(classes)]
    check_labels(labels, classes)
    return list(labels)


def find_target(labels: Sequence[str] | None, target: str | int) -> int:
    """Index of a class.

    Args:
        labels: One for each class, or None. A label may be a list of synonyms separated by commas.
        target: Index, also as a string; a label; or a synonym that only one label has. Case does not matter.

    Raises:
        ChoiceError: no class, or several, have that name, or the index is out of range; the message names labels. Or there
            are no labels.
    """
    if labels is None:
        raise ChoiceError(
            "The model has no labels, so that no class can be found. Give it a label for each class."
        )
    if not isinstance(target, str):
        return _checked(check_whole("target", target), labels)
    name = target.strip().casefold()
    for names in ([[label] for label in labels], [label.split(",") for label in labels]):
        found = [
            i for i, synonyms in enumerate(names) if name in (one.strip().casefold() for one in synonyms)
        ]
        if len(found) > 1:
            listed = ", ".join(f"{i} ({labels[i]})" for i in found[:MAX_NAMED])
            raise ChoiceError(
                f"target {target!r} names {len(found)} classes; give the number of one: {listed}."
            )
        if found:
            return found[0]
    if name.removeprefix("-").isdecimal() and len(name) <= MAX_DIGITS:
        return _checked(int(name), labels)
    raise ChoiceError(f"No class is named {target!r}. {_near(labels, name)}")


def _checked(index: int, labels: Sequence[str]) -> int:
    if not 0 <= index < len(labels):
        raise ChoiceError(
            f"target is {index}; choose a class from 0 ({labels[0]}) to {len(labels) - 1} ({labels[-1]})."
        )
    return index


def _near(labels: Sequence[str], name: str) -> str:
    synonyms = {one.strip().casefold(): label for label in labels for one in (*label.split(","), label)}
    inside = [label for label in labels if name and name in label.casefold()]
    close = [synonyms[one] for one in get_close_matches(name, synonyms, MAX_NAMED)]
    if near := list(dict.fromkeys([*inside[:MAX_NAMED], *close]))[:MAX_NAMED]:
        return f"Names like it: {'; '.join(near)}."
    return f"Give a label, such as {labels[0]!r}, or a number from 0 to {len(labels) - 1}."
