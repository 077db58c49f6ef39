"""The classes and the training of ``sge_resnet18_pets`` as tables for docs/models.md."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.models.pets_data import CATS, IMAGEWOOF, IN_BOTH, LABELS, OXFORD_PETS
from scripts.render_tables import Table

DOCUMENT = "docs/models.md"
OLD_STD = "spread "
"""Begins the columns that are called ``mask_std BLOCK`` today, in logs of version 1."""


def columns(**titles: str) -> list[dict[str, Any]]:
    """The columns of a table, from keys and titles."""
    return [{"key": key, "title": title} for key, title in titles.items()]


def classes_table() -> Table:
    """The 45 classes by source."""
    dogs = [label for label in OXFORD_PETS.values() if label not in CATS]
    groups = {
        "Imagewoof only": [label for label in IMAGEWOOF.values() if label not in IN_BOTH],
        "both": IN_BOTH,
        "Oxford-IIIT Pet only, dogs": [label for label in dogs if label not in IN_BOTH],
        "Oxford-IIIT Pet only, cats": CATS,
    }
    assert sum(map(len, groups.values())) == len(LABELS)
    rows = [
        {
            "id": source,
            "source": source,
            "classes": len(labels),
            "labels": ", ".join(sorted(labels, key=str.lower)),
        }
        for source, labels in groups.items()
    ]
    return {
        "document": DOCUMENT,
        "set": "Imagewoof's 9,025 training images, and 3,051 of Oxford-IIIT Pet, each of which counts twice",
        "command": "python -m scripts.models.pets_data OUT",
        "columns": columns(source="source", classes="classes", labels="labels"),
        "rows": rows,
    }


def read_log(path: Path) -> list[dict[str, str]]:
    """The rows of a training's ``log.csv``; columns of version 1 get today's names."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key.replace(OLD_STD, "mask_std "): value for key, value in row.items()} for row in rows]


def training_table(log: list[dict[str, str]], config: Mapping[str, Any]) -> Table:
    """Length, best accuracy and time of the training."""
    row = {
        "id": "training",
        "epochs": len(log),
        "sizes": " / ".join(map(str, config["sizes"])),
        "top1": float(log[-1]["best"]),
        "hours": round(sum(float(entry["seconds"]) for entry in log) / 3600, 1),
    }
    return {
        "document": DOCUMENT,
        "set": "976 images that chose the epoch: every fourth of `dogs_dev.tar` and all of `pets_dev.tar`",
        "protocol": (
            f"center crop {config['eval_size']} px; `log.csv` of the training; one seed; a process on each of two cores, "
            "shared with other programs"
        ),
        "columns": [
            *columns(
                epochs="epochs",
                sizes="crops, px, an equal share of the epochs each",
                top1="dev top-1 of the best epoch",
            ),
            {"key": "hours", "title": "hours", "digits": 1},
        ],
        "rows": [row],
    }


def gates_table(log: list[dict[str, str]]) -> Table:
    """How far the gates have moved, over the blocks."""
    rows = []
    for name, when, entry in (
        ("first_epoch", "after the first epoch", log[0]),
        ("end", "at the end", log[-1]),
    ):
        ranges = {}
        for key in ("weight", "mask_std"):
            values = [float(value) for column, value in entry.items() if column.startswith(f"{key} ")]
            ranges[key] = f"{min(values):.2f} to {max(values):.2f}"
        rows.append({"id": name, "when": when} | ranges)
    return {
        "document": DOCUMENT,
        "set": "all 8 blocks",
        "protocol": "`log.csv` of the training",
        "columns": columns(
            when="when", weight="a block's mean gate weight", mask_std="a block's median mask std"
        ),
        "rows": rows,
    }
