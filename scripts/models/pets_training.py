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


Log = list[dict[str, str]]
"""The rows of a training's ``log.csv``, one for each epoch."""


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


def read_log(path: Path) -> Log:
    """The rows of a training's ``log.csv``; columns of version 1 get today's names."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key.replace(OLD_STD, "mask_std "): value for key, value in row.items()} for row in rows]


def configs_of(made_from: Mapping[str, Any], count: int) -> list[Mapping[str, Any]]:
    """The configurations of the last ``count`` trainings of a card, the first one first.

    Raises:
        ValueError: The card knows of fewer trainings.
    """
    configs: list[Mapping[str, Any]] = []
    for _ in range(count):
        if "config" not in made_from:
            raise ValueError(f"The card states {len(configs)} trainings, and there are {count} logs.")
        configs.append(made_from["config"])
        made_from = made_from.get("start", {}).get("made_from", {})
    return configs[::-1]


def training_table(logs: list[Log], configs: list[Mapping[str, Any]]) -> Table:
    """Length, best accuracy and time of each stage of the training; a stage starts from the best weights before it."""
    rows = [
        {
            "id": f"stage {number}",
            "stage": number,
            "epochs": len(log),
            "sizes": " / ".join(map(str, config["sizes"])),
            "top1": float(log[-1]["best"]),
            "hours": round(sum(float(entry["seconds"]) for entry in log) / 3600, 1),
        }
        for number, (log, config) in enumerate(zip(logs, configs, strict=True), 1)
    ]
    return {
        "document": DOCUMENT,
        "set": "976 images that chose the epoch: every fourth of `dogs_dev.tar` and all of `pets_dev.tar`",
        "protocol": (
            f"center crop {configs[-1]['eval_size']} px; `log.csv` of each stage; one seed; a process on each of two cores, "
            "shared with other programs"
        ),
        "columns": [
            *columns(
                stage="stage",
                epochs="epochs",
                sizes="crops, px, an equal share of the epochs each",
                top1="dev top-1 of the best epoch",
            ),
            {"key": "hours", "title": "hours", "digits": 1},
        ],
        "rows": rows,
    }


def gates_table(logs: list[Log]) -> Table:
    """How far the gates have moved in all stages together, over the blocks."""
    rows = []
    for name, when, entry in (
        ("first_epoch", "after the first epoch", logs[0][0]),
        ("end", "at the end", logs[-1][-1]),
    ):
        ranges = {}
        for key in ("weight", "mask_std"):
            values = [float(value) for column, value in entry.items() if column.startswith(f"{key} ")]
            ranges[key] = f"{min(values):.2f} to {max(values):.2f}"
        rows.append({"id": name, "when": when} | ranges)
    return {
        "document": DOCUMENT,
        "set": "all 8 blocks",
        "protocol": "`log.csv` of the first and of the last stage",
        "columns": columns(
            when="when", weight="a block's mean gate weight", mask_std="a block's median mask std"
        ),
        "rows": rows,
    }
