"""Reads a JSON file of images with labelled noses and eyes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sge.errors import FinderError
from sge.files import read_json, reason_of
from sge.parts.fit import Points
from sge.parts.json_values import point

KEYS = {"nose": ("nose",), "eye": ("left_eye", "right_eye")}
"""Part to the keys of a labels file that give its points."""


@dataclass(frozen=True)
class LabelledImage:
    """One image of a labels file."""

    path: Path
    points: dict[str, Points]
    """Part to (x, y) in pixels of the upright image; see ``LabelledMaps.points``."""
    unsure: bool = False
    """Whether the labeller doubted the points: blurred, hidden or tiny parts."""


def read_labels(path: str | os.PathLike[str]) -> list[LabelledImage]:
    """Reads ``{"images": [{"file", "nose", "left_eye", "right_eye", "unsure"}]}``.

    A point is ``[x, y]`` in pixels of the upright image, or null where the part is not visible; a missing key
    means that nobody looked for the part. Images lie in the folder named as the file without ``.json``, or
    beside the file. Files of version 1, whose list has another key, are read as well.

    Raises:
        FinderError: no such file, another form, or an image that does not exist.
    """
    path = Path(path)
    beside = path.parent / path.stem
    folder = beside if beside.is_dir() else path.parent
    try:
        labelled = [_labelled(entry, folder) for entry in _entries(read_json(path))]
    except OSError as error:
        raise FinderError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FinderError(
            f"{path.name} is not a labels file ({reason_of(error)}). It needs "
            '{"images": [{"file": "a.jpg", "nose": [x, y], "left_eye": [x, y], "right_eye": null}]}.'
        ) from error
    missing = [image.path.name for image in labelled if not image.path.is_file()]
    if missing:
        raise FinderError(
            f"{path.name} names images that are not in {folder}: {', '.join(missing[:3])}. Put them there, or remove their "
            "entries."
        )
    return labelled


def check_point(file: str, name: str, point: tuple[float, float], size: tuple[int, int]) -> None:
    """Checks that a labelled point lies in its image.

    Args:
        file: Name of the image.
        name: Of the part.
        point: (x, y) in pixels of the upright image.
        size: Width and height of the upright image.

    Raises:
        FinderError: It does not.
    """
    (x, y), (width, height) = point, size
    if not (0 <= x <= width and 0 <= y <= height):
        raise FinderError(
            f"{file}: the {name} at ({x:g}, {y:g}) lies outside the image, which has {width} x {height} pixels. Give pixels "
            "of the upright image."
        )


def without_parts(path: Path) -> LabelledImage:
    """An image that shows neither nose nor eye."""
    return LabelledImage(path, {part: [] for part in KEYS})


def _entries(record: dict[str, Any]) -> list[dict[str, Any]]:
    key = "images" if "images" in record else "pictures"  # The latter is the key of version 1.
    entries: list[dict[str, Any]] = record[key]
    return entries


def _labelled(entry: dict[str, Any], folder: Path) -> LabelledImage:
    points: dict[str, Points] = {
        part: [point(entry[key]) for key in keys if entry.get(key) is not None]
        for part, keys in KEYS.items()
        if any(key in entry for key in keys)
    }
    return LabelledImage(folder / str(entry["file"]), points, bool(entry.get("unsure", False)))
