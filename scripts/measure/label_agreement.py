"""Compares the two placements of the faces in labels/placements.json, and writes labels/agreement.json.

    python -m scripts.measure.label_agreement [--check]

Faces of the two placements are matched by the distance of the means of their points, nearest first, as far as the larger
of their sizes (at least 0.03 of the shorter side). Distances of points are fractions of the shorter side.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from sge.files import write_atomically

FOLDER = Path(__file__).resolve().parent.parent.parent / "labels"
NAMES = ("nose", "left_eye", "right_eye", "beak")
SMALLEST_REACH = 0.03
"""Faces smaller than this fraction of the shorter side are matched as if they had this size."""
DIFFERS, DIFFERS_BY_SIZE, DIFFERS_AT_LEAST = 0.03, 0.35, 0.012
"""Points differ if farther apart than the first, or than the second (of the face's size) and the third."""


@dataclass(frozen=True)
class Placed:
    """A face of one placement, in units of the shorter side."""

    kind: str
    points: dict[str, tuple[float, float]]
    size: float
    unsure: bool

    @property
    def center(self) -> tuple[float, float]:
        """Mean of the points."""
        x, y = np.mean(list(self.points.values()), axis=0)
        return float(x), float(y)


def placed(rows: list[list[Any]], columns: list[str], width: int, height: int) -> list[Placed]:
    """The faces of one placement that have a point."""
    shorter = min(width, height)
    faces = []
    for row in rows:
        face = dict(zip(columns, row, strict=True))
        points = {
            name: (face[name][0] / 1000 * width / shorter, face[name][1] / 1000 * height / shorter)
            for name in NAMES
            if face[name]
        }
        if points:
            faces.append(Placed(face["kind"], points, face["size"] / 1000, face["unsure"]))
    return faces


def matched(a: list[Placed], b: list[Placed]) -> list[tuple[Placed, Placed]]:
    """Pairs of faces of two placements, the nearest first; a face is in one pair at most."""
    candidates = sorted(
        (math.dist(one.center, other.center), i, j) for i, one in enumerate(a) for j, other in enumerate(b)
    )
    pairs: dict[int, int] = {}
    for distance, i, j in candidates:
        reach = max(a[i].size, b[j].size, SMALLEST_REACH)
        if i not in pairs and j not in pairs.values() and distance <= reach:
            pairs[i] = j
    return [(a[i], b[j]) for i, j in pairs.items()]


def differing(a: Placed, b: Placed) -> list[str]:
    """Points that only one placement has, or that lie too far apart to take their mean."""
    size = (a.size + b.size) / 2
    names = []
    for name in NAMES:
        if (name in a.points) != (name in b.points):
            names.append(name)
        elif name in a.points:
            apart = math.dist(a.points[name], b.points[name])
            if apart > DIFFERS or (apart > DIFFERS_BY_SIZE * size and apart > DIFFERS_AT_LEAST):
                names.append(name)
    return names


def agreement(record: dict[str, Any]) -> dict[str, Any]:
    """Counts of faces, and by point the median, the 90th and 99th percentile and the largest distance."""
    distances: dict[str, list[float]] = defaultdict(list)
    counts: Counter[str] = Counter()
    for image in record["images"]:
        a, b = (placed(image[key], record["columns"], image["width"], image["height"]) for key in ("a", "b"))
        pairs = matched(a, b)
        counts["by_both"] += len(pairs)
        counts["by_a_alone"] += len(a) - len(pairs)
        counts["by_b_alone"] += len(b) - len(pairs)
        counts["of_differing_kinds"] += sum(one.kind != other.kind for one, other in pairs)
        counts["with_differing_points"] += sum(bool(differing(one, other)) for one, other in pairs)
        for one, other in pairs:
            for name in one.points.keys() & other.points.keys():
                part = "eye" if name.endswith("_eye") else name
                distances[part].append(math.dist(one.points[name], other.points[name]))
    return {
        "images": len(record["images"]),
        "faces": dict(counts),
        "distances": {part: summary(distances[part]) for part in sorted(distances)},
    }


def summary(values: list[float]) -> dict[str, float]:
    """Percentiles of distances."""
    median, ninety, ninety_nine = np.quantile(values, [0.5, 0.9, 0.99])
    figures = {
        "median": median,
        "percentile_90": ninety,
        "percentile_99": ninety_nine,
        "largest": max(values),
    }
    return {"points": len(values)} | {name: round(float(value), 4) for name, value in figures.items()}


def main(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if it differs.")] = False,
) -> None:
    """Writes labels/agreement.json, or checks it."""
    record = json.loads((FOLDER / "placements.json").read_text("utf-8"))
    text = json.dumps({"version": 1} | agreement(record), indent=1) + "\n"
    path = FOLDER / "agreement.json"
    if not check:
        write_atomically(path, text.encode())
    elif not path.is_file() or path.read_text("utf-8") != text:
        typer.echo(f"{path.name} is not up to date", err=True)
        raise typer.Exit(code=1)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
