"""Writes the tables of a shipped model's detectors for docs/parts.md, from what ``sge parts evaluate-faces`` printed.

    python -m scripts.models.part_figures MODEL MEASURED.json [MEASURED.json ...] [--sizes SIZES.jsonl]

Each file holds what ``sge parts evaluate-faces LABELS --images FOLDER --held --by BY --model MODEL --json`` prints, and that
of ``--sizes`` what ``python -m scripts.measure.part_sizes MODEL FOLDER`` prints.
Then run ``python -m scripts.render_tables``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.measure.faithfulness import dumped
from scripts.render_tables import SUFFIX
from sge.files import write_atomically
from sge.parts import PARTS
from sge.paths import shipped

DOCUMENT = "docs/parts.md"
LABELS = "labels/faces.json labels/main_dogs.json labels/no_face.json"
BY = {
    "mix": "groups and channels",
    "groups": "groups alone",
    "readouts": "readouts of few images, one size",
}
"""Value of ``--by`` to its words, in the order of the tables."""
SET = (
    "the images of labels/faces.json, main_dogs.json and no_face.json that are held back; `animals` are cats and mammals "
    "other than dogs, `people` include figures"
)

Record = dict[str, Any]


def tables(model: str, measured: dict[str, Record]) -> dict[str, Record]:
    """The tables, by name.

    Args:
        model: The model's name.
        measured: By ``--by``, what was printed.
    """
    ordered = [(BY[by], measured[by]) for by in BY if by in measured]
    head = {
        "document": DOCUMENT,
        "set": SET,
        "command": f"sge parts evaluate-faces {LABELS} --images FOLDER --held --by BY --model {model}",
    }
    return {
        "faces_hits": head | _hits(ordered),
        "faces_alarms": head | _alarms(ordered),
        "faces_listed": head | _listed(ordered),
        "faces_calibration": head | _calibration(ordered),
    }


def _hits(ordered: list[tuple[str, Record]]) -> Record:
    rows = [
        {
            "id": f"{record['by']}_{row['part']}_{row['kind']}",
            "by": words,
            "part": row["part"],
            "kind": row["kind"],
            "images": row["images"],
            "main": [row["main_0.1"]["value"], row["main_0.05"]["value"]],
            "any_0.1": row["any_0.1"],
            "any_0.05": row["any_0.05"],
            "auc": row.get("auc"),
            "right": row["shown_right"],
            "wrong": row["shown_wrong"],
            "missed": row["shown_missed"],
        }
        for words, record in ordered
        for row in record["hits"]
    ]
    titles = {
        "by": "read from",
        "part": "part",
        "kind": "main face",
        "images": "images",
        "main": "main face within 0.1 / 0.05",
        "any_0.1": "any face within 0.1",
        "any_0.05": "any face within 0.05",
        "auc": "AUC",
        "right": "shown and right",
        "wrong": "shown and wrong",
        "missed": "not shown",
    }
    return {
        "protocol": "the part of the highest confidence in the image against the largest sure face, and against any sure "
        "face; AUC against the images without a face; 95 % intervals of a bootstrap over images",
        "columns": _columns(titles),
        "rows": rows,
    }


def _alarms(ordered: list[tuple[str, Record]]) -> Record:
    rows = [
        {
            "id": f"{record['by']}_{row['part']}",
            "by": words,
            "part": {"any": "nose or eye"}.get(row["part"], row["part"]),
            "images": row["images"],
            "shown_images": row["shown"]["of"],
            "shown": row["shown"],
            "sure_images": row["sure"]["of"],
            "sure": row["sure"],
        }
        for words, record in ordered
        for row in record["false_alarms"]
    ]
    titles = {
        "by": "read from",
        "part": "part",
        "images": "images without a face",
        "shown_images": "with a part that is shown",
        "shown": "share",
        "sure_images": "with one that is sure",
        "sure": "share",
    }
    return {
        "protocol": "95 % intervals of Wilson",
        "columns": _columns(titles),
        "rows": rows,
    }


def _listed(ordered: list[tuple[str, Record]]) -> Record:
    keys = ("shown_recall", "shown_precision", "sure_recall", "sure_precision")
    rows = [
        {
            "id": f"{record['by']}_{row['part']}",
            "by": words,
            "part": row["part"],
            "points": row["points"],
            **{key: row[key] for key in keys},
        }
        for words, record in ordered
        for row in record["faces"]
    ]
    titles = {
        "by": "read from",
        "part": "part",
        "points": "labelled points",
        "shown_recall": "found, if shown",
        "shown_precision": "right, if shown",
        "sure_recall": "found, if sure",
        "sure_precision": "right, if sure",
    }
    return {
        "protocol": "all sure faces of each image; a part is right within a quarter of the face's size, at least 0.025 of "
        "the shorter side, and a point is found once; found parts in images without a face count as wrong",
        "columns": _columns(titles),
        "rows": rows,
    }


def _calibration(ordered: list[tuple[str, Record]]) -> Record:
    rows = [
        {
            "id": f"{record['by']}_{row['part']}",
            "by": words,
            "part": row["part"],
            "error": row["error"],
            "error_above": row["error_above"],
            "measured_bins": row["bins"],
            "bins": "; ".join(
                f"{stated:.2f}: {right:.2f} ({count})"
                for stated, right, count in row["bins"]
                if stated >= 0.05
            ),
        }
        for words, record in ordered
        for row in record["calibration"]
        if record["by"] != "readouts"
    ]
    titles = {
        "by": "read from",
        "part": "part",
        "error": "calibration error",
        "error_above": "of parts above 0.05",
        "bins": "mean confidence: share that is right (parts)",
    }
    return {
        "protocol": "expected calibration error in ten bins of equal width",
        "columns": _columns(titles),
        "rows": rows,
    }


def sizes_table(model: str, measured: list[Record]) -> Record:
    """The table of sizes of the input.

    Args:
        model: The model's name.
        measured: The lines that ``scripts.measure.part_sizes`` printed.
    """
    rows = [
        {
            "id": f"{one['way']}_{'_'.join(str(size) for size in one['sizes'])}",
            "by": BY[one["way"]],
            "sizes": ", ".join(str(size) for size in one["sizes"]),
            "passes": one["passes"],
            **{part: [one[f"{part}_any_0.1"], one[f"{part}_any_0.05"]] for part in PARTS},
            "alarms": one["false_alarms"],
        }
        for one in measured
        if one["way"] in BY
    ]
    titles = {
        "by": "read from",
        "sizes": "shorter sides, px",
        "passes": "more passes",
        "nose": "nose within 0.1 / 0.05",
        "eye": "eye within 0.1 / 0.05",
        "alarms": "images without a face that show a part",
    }
    return {
        "document": DOCUMENT,
        "set": "the images of the labels that are not held back",
        "protocol": "3-fold cross-validation over images; any sure face of any kind; more passes: cost of the sizes other "
        "than 320, in passes at 320; parts are shown from a confidence of 0.2",
        "command": f"python -m scripts.measure.part_sizes {model} FOLDER",
        "columns": _columns(titles),
        "rows": rows,
    }


def _columns(titles: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "title": title} for key, title in titles.items()]


def main(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    files: Annotated[list[Path], typer.Argument(metavar="MEASURED.json")],
    sizes: Annotated[Path | None, typer.Option(metavar="SIZES.jsonl", help="Table of sizes.")] = None,
) -> None:
    """Writes the tables."""
    measured = {}
    for file in files:
        found = json.loads(file.read_text("utf-8"))
        if found["model"] != model or not found["held"]:
            raise typer.BadParameter(f"{file} is not of {model} on the images that are held back.")
        measured[found["by"]] = found
    path = shipped("weights") / f"{model}{SUFFIX}"
    record = json.loads(path.read_text("utf-8"))
    record["tables"] |= tables(model, measured)
    if sizes is not None:
        lines = sizes.read_text("utf-8").splitlines()
        record["tables"]["detector_sizes"] = sizes_table(model, [json.loads(line) for line in lines])
    write_atomically(path, dumped(record).encode())


if __name__ == "__main__":
    typer.run(main)
