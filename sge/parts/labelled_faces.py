"""Reads JSON files of images in which every face is labelled, and of images that are held back for measuring."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sge.errors import FinderError
from sge.files import read_json, reason_of
from sge.parts.json_values import number, point
from sge.parts.labels import KEYS, check_point

NAMES = ("nose", "left_eye", "right_eye", "beak")
"""Keys of a face that hold a point."""
KINDS = {
    "dog": "dogs",
    "cat": "animals",
    "animal": "animals",
    "bird": "birds",
    "person": "people",
    "figure": "people",
}
"""Kind of a face in a labels file to the kind under which it is measured; any other counts as an animal."""
OTHER_KIND = "animals"
NO_FACE = "none"
"""Kind of an image that shows neither an animal nor a person."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Face:
    """One labelled face."""

    points: dict[str, Point]
    """Keys of ``NAMES`` to (x, y) in pixels of the upright image; what is not visible is left out."""
    size: float
    """Greatest distance between two of its parts, in pixels of the upright image."""
    kind: str = "dog"
    """As in the file, such as ``dog``, ``cat``, ``animal``, ``bird``, ``person``, ``figure``."""
    unsure: bool = False
    """Blurred, hidden or tiny: neither fitted nor scored."""

    @property
    def measured_as(self) -> str:
        """One of ``dogs``, ``animals``, ``birds``, ``people``."""
        return KINDS.get(self.kind, OTHER_KIND)

    def of(self, part: str) -> list[Point]:
        """The visible points of ``nose`` or ``eye``."""
        return [self.points[name] for name in KEYS[part] if name in self.points]


@dataclass(frozen=True)
class FacesImage:
    """One image of a labels file with its faces."""

    file: str
    """Relative to the folder of the images; ``ARCHIVE.tar/MEMBER`` lies in an archive."""
    faces: tuple[Face, ...] = ()
    held: bool = False
    """Held back for measuring: never used for fitting or for choosing."""
    unlabelled: bool = False
    """Whether it shows further faces that nobody labelled: positions in it are no negatives."""
    kind: str = NO_FACE
    """What it was chosen for; without faces and of another kind than ``NO_FACE`` it shows an animal that is turned away."""

    @property
    def is_without(self) -> bool:
        """Whether it shows no face and nothing that has one."""
        return not self.faces and not self.unlabelled and self.kind == NO_FACE

    @property
    def main(self) -> Face | None:
        """The largest sure face."""
        return max((face for face in self.faces if not face.unsure), key=lambda face: face.size, default=None)


def read_faces(path: str | os.PathLike[str]) -> list[FacesImage]:
    """Reads ``{"images": [{"file", "faces": [{"nose", "left_eye", "right_eye", "size", "kind", "unsure"}], "held"}]}``.

    A point is ``[x, y]`` in pixels of the upright image, or null where the part is not visible. Without ``size`` it is
    the greatest distance between two points of the face. An image without faces has an empty list. An image may also have
    ``unlabelled``, the number of its faces that nobody labelled, and ``kind``.

    Raises:
        FinderError: no such file, or another form.
    """
    path = Path(path)
    try:
        return [_image(entry) for entry in read_json(path)["images"]]
    except OSError as error:
        raise FinderError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FinderError(
            f"{path.name} is not a file of labelled faces ({reason_of(error)}). It needs "
            '{"images": [{"file": "a.jpg", "faces": [{"nose": [x, y], "left_eye": [x, y], "right_eye": null}]}]}.'
        ) from error


def check_points(image: FacesImage, size: tuple[int, int]) -> None:
    """Checks that all labelled points lie in the image.

    Args:
        image: The labels.
        size: Width and height of the upright image in pixels.

    Raises:
        FinderError: One does not.
    """
    for face in image.faces:
        for name, at in face.points.items():
            check_point(image.file, name, at, size)


def for_fitting(images: Iterable[FacesImage]) -> list[FacesImage]:
    """The images without those that are held back for measuring."""
    return [image for image in images if not image.held]


def refuse_held(images: Iterable[FacesImage]) -> None:
    """Checks that no image is held back for measuring.

    Raises:
        FinderError: one is.
    """
    if held := [image.file for image in images if image.held]:
        raise FinderError(
            f"{len(held)} images are held back for measuring and must not be fitted on, {held[0]} first. Leave them out, or "
            "state that you want a finder that can no longer be measured on them."
        )


def _image(entry: dict[str, Any]) -> FacesImage:
    return FacesImage(
        file=_text(entry["file"], "file"),
        faces=tuple(face for record in entry["faces"] if (face := _face(record)).points),
        held=_flag(entry, "held"),
        unlabelled=bool(number(entry.get("unlabelled", 0))),
        kind=_text(entry.get("kind", NO_FACE), "kind"),
    )


def _face(record: dict[str, Any]) -> Face:
    points = {name: point(record[name]) for name in NAMES if record.get(name) is not None}
    stated = record.get("size")
    apart = [math.dist(a, b) for a in points.values() for b in points.values()]
    size = max(apart, default=0.0) if stated is None else number(stated)
    if points and size <= 0:
        raise ValueError("a face of one point needs a size above 0")
    return Face(points, size, _text(record.get("kind", "dog"), "kind"), _flag(record, "unsure"))


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is {str(value)[:80]} in place of a text")
    return value


def _flag(record: dict[str, Any], key: str) -> bool:
    value = record.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {str(value)[:80]} in place of true or false")
    return value
