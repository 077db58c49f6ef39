"""What a user or a file states about weights: labels and preprocessing, checked; and what is assumed where they do not."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from sge.errors import CheckpointError, ChoiceError, SGEError
from sge.images import Preprocess
from sge.models.labels import imagenet_labels
from sge.models.safetensors_files import parse_json
from sge.models.stated_labels import as_labels
from sge.models.wording import first_few, quoted, shown
from sge.text import printable

IMAGENET_CLASSES = 1000
MAX_LABEL = 300
"""Longest label in characters."""
MAX_FILE = 10_000_000
"""Largest file of labels or preprocessing in bytes."""
DEFAULT_CROP = 224 / 256

Labels = Sequence[str] | str | os.PathLike[str]
"""Labels, or the path of a file with them: one a line, a JSON list, or JSON that numbers them."""
GivenPreprocess = Preprocess | Mapping[str, Any] | str | os.PathLike[str]
"""A ``Preprocess``, some of its fields, the same as JSON text, or the path of a JSON file."""


def given_labels(labels: Labels, count: int) -> list[str]:
    """Returns labels that a user gives.

    Args:
        labels: Them, or their file.
        count: Number of classes of the network.

    Raises:
        CheckpointError: The file cannot be read, or there is not one usable label for each class.
    """
    if isinstance(labels, str | os.PathLike):
        path = Path(labels)
        return checked_labels(_labels_of(path), count, shown(path.name))
    return checked_labels(as_labels(labels) or labels, count, "The list of labels")


def all_labels(labels: Labels) -> list[str]:
    """``given_labels`` where the number of classes is not known.

    Raises:
        CheckpointError: As ``given_labels``.
    """
    if isinstance(labels, str | os.PathLike):
        found = _labels_of(Path(labels))
        return checked_labels(found, len(found) if isinstance(found, list) else 0, shown(Path(labels).name))
    found = as_labels(labels) or labels
    return checked_labels(found, len(found), "The list of labels")


def _labels_of(path: Path) -> object:
    text = _text_of(path)
    if text.lstrip().startswith(("[", "{")):
        value = parse_json(text, shown(path.name))
        return as_labels(value) or value
    return [line.strip() for line in text.rstrip().split("\n")]


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:  # its size is not asked for, because a device or a pipe has none
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise CheckpointError(
                f"{shown(path.name)} has more than {MAX_FILE:,} bytes. Choose another file."
            )
        return "\n".join(content.decode("utf-8-sig").replace("\r\n", "\n").split("\r"))
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"{shown(path.name)} is not text in UTF-8. Save it as such, or choose another."
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise CheckpointError(
            f"{shown(str(path))} cannot be read. Check the path and its permissions."
        ) from error


def checked_labels(value: object, count: int, where: str) -> list[str]:
    """Checks labels: one for each class, each a text of one line.

    Args:
        value: What should be a list of labels.
        count: Number of classes.
        where: What they come from, the subject of the sentence.

    Raises:
        CheckpointError: It is something else.
    """
    if not isinstance(value, list | tuple) or len(value) != count:
        found = f"it has {len(value)}" if isinstance(value, list | tuple) else "it has no list of them"
        raise CheckpointError(
            f"{where} does not list a label for each of its {count} classes: {found}. Save as many labels as classes."
        )
    for i, label in enumerate(value):
        wrong = ""
        if not isinstance(label, str):
            wrong = f"is {shown(str(label)[:80])}, not text"
        elif not label.strip():
            wrong = "is empty"
        elif len(label) > MAX_LABEL:
            wrong = f"has {len(label):,} characters; at most {MAX_LABEL} can be shown"
        elif printable(label) != label:
            wrong = f"has characters that cannot be shown: {quoted(label)}"
        if wrong:
            raise CheckpointError(f"{where}: label {i} {wrong}. Correct the labels.")
    return list(value)


def labels_of(
    count: int, given: Labels | None, stated: object, beside: Mapping[str, list[str]], where: str
) -> tuple[list[str], list[str]]:
    """Returns the labels of a network's classes and sentences on what was assumed.

    Args:
        count: Number of classes.
        given: What the user gives; goes before all else.
        stated: The file's entry ``sge.labels``, or None.
        beside: Lists of names beside the weights; see ``labels_in``.
        where: The file's name.

    Raises:
        CheckpointError: Given or stated labels cannot be used.
    """
    if given is not None or stated:
        labels = checked_labels(stated, count, where) if given is None else given_labels(given, count)
        return labels, _repeated(labels)
    notes: list[str] = []
    for entry, names in beside.items():
        try:
            labels = checked_labels(names, count, where)
        except CheckpointError:
            notes.append(
                f"Its entry {quoted(entry)} does not fit its {count} classes and was not used for labels."
            )
        else:
            return labels, [
                *notes,
                f"The labels were read from its entry {quoted(entry)}.",
                *_repeated(labels),
            ]
    give = "Give the right ones: --labels FILE of sge models import, in Python labels=."
    if count == IMAGENET_CLASSES:
        return imagenet_labels(), [
            *notes,
            f"The file names no labels; its 1000 classes are taken for ImageNet's. {give}",
        ]
    unknown = f"The file names no labels; they are unknown, and the classes are numbered. {give}"
    return [f"class {i}" for i in range(count)], [*notes, unknown]


def _repeated(labels: list[str]) -> list[str]:
    """Returns the sentence on labels that several classes share, as two pairs of ImageNet's do."""
    repeated = [label for label, classes in Counter(labels).items() if classes > 1]
    if not repeated or labels == imagenet_labels():
        return []
    return [f"Several classes share a label ({first_few(repeated)}); name such a class by its number."]


def preprocess_of(
    given: GivenPreprocess | None, stated: object, usual: Preprocess, title: str, where: str
) -> tuple[Preprocess, list[str]]:
    """Returns a network's preprocessing and sentences on what was assumed.

    Args:
        given: What the user gives; goes before all else.
        stated: The file's entry ``sge.preprocess``, or None.
        usual: The preprocessing that the architecture is usually trained with.
        title: The architecture's name for people.
        where: The file's name.

    Raises:
        CheckpointError: What is given or stated cannot be used.
    """
    if isinstance(given, Preprocess):
        return given, []
    if given is None and stated:
        return made_preprocess(stated, where), []
    if given is None:
        assumed = usual
        what = f"The file states no preprocessing; that of {title} is assumed"
    else:
        record = _record_of(given)
        stated_here = _without_timm_names(record)
        # What framing "whole" uses was measured for the usual size and weights, so it is not carried to another size.
        base = asdict(usual) | ({"whole": None, "whole_temperature": 1.0} if "size" in stated_here else {})
        if "size" in stated_here:
            base["resize"] = stated_here[
                "size"
            ]  # The usual one may be too large for it, and is replaced below.
        if stated_here.get("size", usual.size) != usual.size:
            base["fixed"] = None
        assumed = made_preprocess(base | stated_here, "The preprocessing")
        if "size" in stated_here and "resize" not in stated_here:
            assumed = replace(assumed, resize=round(assumed.size / DEFAULT_CROP))
        missing = [f.name for f in fields(Preprocess) if f.name not in (*stated_here, "fixed")]
        if not {"mean", "std", "size", "resize", "interpolation"} & set(missing):
            return assumed, []
        what = f"Of the preprocessing, {first_few(missing, 9)} were not given, and usual values are assumed"
    mean, std = (" ".join(f"{value:.3f}" for value in values) for values in (assumed.mean, assumed.std))
    whole = ""
    if assumed.whole is not None or assumed.whole_temperature != 1:
        whole = f", whole images at {assumed.whole or assumed.size} px with temperature {assumed.whole_temperature:g}"
    return assumed, [
        f"{what}: {assumed.size} px from {assumed.resize} px, {assumed.interpolation}, mean {mean}, std {std}{whole}. Give "
        "the right one: --preprocess JSON of sge models import, in Python preprocess=."
    ]


def _record_of(given: Mapping[str, Any] | str | os.PathLike[str]) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    if not isinstance(given, str | os.PathLike):
        raise CheckpointError(f"The preprocessing is no record, JSON text or path. Write {_EXAMPLE}")
    text, where = os.fspath(given), "--preprocess"
    if not text.lstrip().startswith("{"):
        text, where = _text_of(Path(given)), shown(Path(given).name)
    record = parse_json(text, where)
    if not isinstance(record, dict):
        raise CheckpointError(f"{where}: the preprocessing is no JSON object. Write {_EXAMPLE}")
    inner = record.get("pretrained_cfg")  # of timm's config.json
    return inner if isinstance(inner, dict) else record


_EXAMPLE = '{"size": 224, "resize": 256, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}.'
_TIMM_ONLY = {"input_size", "crop_pct"}


def _without_timm_names(record: dict[str, Any]) -> dict[str, Any]:
    """Translates ``input_size`` and ``crop_pct`` of a timm configuration, whose other entries are ignored."""
    if not _TIMM_ONLY & set(record):
        return record
    known = {field.name for field in fields(Preprocess)}
    made = {key: value for key, value in record.items() if key in known}
    size, crop = record.get("input_size", made.get("size")), record.get("crop_pct")
    try:
        made["size"] = int(size[-1] if isinstance(size, list | tuple) else size)  # type: ignore[arg-type]
        if crop is not None:
            made["resize"] = int(made["size"] / float(crop))
    except (TypeError, ValueError, ArithmeticError, IndexError) as error:
        raise CheckpointError(
            f"The preprocessing has no usable input_size and crop_pct. Write {_EXAMPLE}"
        ) from error
    return made


def made_preprocess(record: object, where: str) -> Preprocess:
    """Builds a ``Preprocess`` from its record.

    Args:
        record: Field names to values; lists stand for tuples.
        where: What it comes from, the subject of the sentence.

    Raises:
        CheckpointError: It is no record, has a field that is not known, or a value that cannot be used.
    """
    known = [field.name for field in fields(Preprocess)]
    if not isinstance(record, Mapping):
        raise CheckpointError(
            f"{where}: the preprocessing is no record of {', '.join(known)}. Write {_EXAMPLE}"
        )
    if unknown := [str(key) for key in record if key not in known]:
        raise CheckpointError(
            f"{where}: the preprocessing has unknown entries ({first_few(unknown)}); known are {', '.join(known)}. "
            "Correct it, or import the checkpoint again with this version of SGE Lens."
        )
    values: dict[str, Any] = {str(k): tuple(v) if isinstance(v, list) else v for k, v in record.items()}
    try:
        made = Preprocess(**values)
        if max(made.mean) > 1:
            raise ChoiceError(
                f"mean is {max(made.mean):g}, but pixels are divided by 255 first and lie between 0 and 1. Divide mean "
                "and std by 255."
            )
        return made
    except ChoiceError as error:
        raise CheckpointError(f"{where}: {error}") from error
    except (SGEError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(
            f"{where}: the preprocessing has a value that cannot be used. Write {_EXAMPLE}"
        ) from error
