"""Images with labelled noses and eyes, from a JSON file beside them."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sge.errors import FinderError
from sge.parts.fit import Example, Points

KEYS = {"nose": ("nose",), "eye": ("left_eye", "right_eye")}


@dataclass(frozen=True)
class Labelled:
    """One image of a labels file."""

    example: Example
    unsure: bool
    """The labeller's doubt: blurred, hidden or tiny."""


def read_labels(path: str | os.PathLike[str]) -> list[Labelled]:
    """Reads ``{"images": [{"file", "nose", "left_eye", "right_eye", "unsure"}]}``.

    A point is ``[x, y]`` in pixels of the upright image, or null where it is not to be seen; a key that is not
    there at all was not looked for. Images lie in the folder named as the file without ``.json``, or beside it.

    Raises:
        FinderError: no such file, another form, or an image that is not there.
    """
    path = Path(path)
    folder = path.with_suffix("") if path.with_suffix("").is_dir() else path.parent
    try:
        entries = json.loads(path.read_text("utf-8"))["images"]
        labelled = [_labelled(entry, folder) for entry in entries]
    except OSError as error:
        raise FinderError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FinderError(
            f"{path.name} is no labels file ({type(error).__name__}: {error}). It needs "
            '{"images": [{"file": "a.jpg", "nose": [x, y], "left_eye": [x, y], "right_eye": null}]}.'
        ) from error
    missing = [one.example.name for one in labelled if not Path(str(one.example.image)).is_file()]
    if missing:
        raise FinderError(f"{path.name} names images that are not in {folder}: {', '.join(missing[:3])}.")
    return labelled


def _labelled(entry: dict[str, Any], folder: Path) -> Labelled:
    points: dict[str, Points] = {
        part: [_point(entry[key]) for key in keys if entry.get(key) is not None]
        for part, keys in KEYS.items()
        if any(key in entry for key in keys)
    }
    name = str(entry["file"])
    return Labelled(Example(folder / name, points, name), bool(entry.get("unsure", False)))


def _point(value: Any) -> tuple[float, float]:
    x, y = (float(one) for one in value)
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(f"a point at {value}")
    return x, y


def without_parts(path: Path) -> Labelled:
    """An image that shows neither nose nor eye."""
    return Labelled(Example(path, {part: [] for part in KEYS}, path.name), unsure=False)
