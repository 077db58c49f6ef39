"""Measures how well gradient x activation ranks the groups of each block, against the removal of each group alone.

    python -m scripts.measure.effect OUT.json [--models NAME,NAME] [--dogs 10] [--cost]

OUT.json gets one entry for each model and image as soon as it is measured; entries that are there are kept, so that an
interrupted run goes on. Images: one of each breed in ../shared/data/parts_dev (or SGE_SHARED), then the shipped samples.
The class is the predicted one, the framing ``whole``. docs/faithfulness.md has the table.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from scipy.stats import spearmanr

import sge
from scripts.common import DATA, ROOT
from sge.arrays import Array
from sge.files import write_atomically
from sge.models import load_torch_model, shipped_entries

Entry = dict[str, dict[str, float | bool]]
"""Block name to ``gradient`` and ``auto`` (Spearman with the measured effects), ``largest`` and ``measured``."""


def images(dogs: int) -> list[Path]:
    """The first image of each breed, at most ``dogs``, then the samples of the page."""
    breeds: dict[str, Path] = {}
    for path in sorted((DATA / "parts_dev").glob("n*.JPEG")):
        breeds.setdefault(path.name.split("_")[0], path)
    samples = sorted((ROOT / "static" / "samples").glob("*.jpg"))
    return list(breeds.values())[:dogs] + [path for path in samples if not path.stem.endswith(".thumb")]


def agreement(lens: sge.Lens, path: Path) -> Entry:
    """Rank correlation of both methods with the measured effects, in each block of one image."""
    frame = lens.frame(path)
    gradient = lens.attribute_frame(frame, method="gradient")
    target, blocks = gradient.target.index, list(gradient)
    auto = lens.attribute_frame(frame, target, blocks)
    unmeasured = [block for block in blocks if auto.method[block] == "gradient"]
    measured = auto.effect | lens.attribute_frame(frame, target, unmeasured, "ablation").effect
    return {
        block: {
            "gradient": rank_correlation(gradient[block], measured[block]),
            "auto": rank_correlation(auto[block], measured[block]),
            "measured": block not in unmeasured,
            "largest": round(float(np.abs(measured[block]).max()), 3),
        }
        for block in blocks
    }


def rank_correlation(effects: Array, measured: Array) -> float:
    """Spearman's rank correlation with three digits; 0 if it is not defined."""
    return round(float(np.nan_to_num(spearmanr(effects, measured)[0])), 3)


def table(entries: dict[str, Entry]) -> dict[str, dict[str, float]]:
    """Block name to median and minimum over images of each method, and the fraction of images that auto measures."""
    blocks = next(iter(entries.values()))
    rows = {}
    for block in blocks:
        row: dict[str, float] = {}
        for method in ("gradient", "auto"):
            values = [float(entry[block][method]) for entry in entries.values()]
            row[f"{method}_median"] = round(float(np.median(values)), 3)
            row[f"{method}_min"] = min(values)
        row["measured"] = round(float(np.mean([entry[block]["measured"] for entry in entries.values()])), 2)
        row["largest"] = round(float(np.median([entry[block]["largest"] for entry in entries.values()])), 2)
        rows[block] = row
    return rows


def cost(lens: sge.Lens, path: Path, repeats: int = 2) -> dict[str, float]:
    """Processor time of each method in forward passes of ``predict``: the smallest of several runs, one thread."""
    frame = lens.frame(path)
    blocks = list(lens.attribute_frame(frame))
    target = lens.predict_frames([frame], 1)[0][0].index

    def seconds(run: Callable[[], Any]) -> float:
        times = []
        for _ in range(repeats):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
        return min(times)

    forward = seconds(lambda: lens.predict_frames([frame], 1))
    ten = {blocks[-1]: [0, 1, 2]}
    runs: dict[str, Callable[[], Any]] = {
        "attribute": lambda: lens.attribute_frame(frame, target),
        "grad_cam": lambda: lens.grad_cam_frame(frame, target),
        f"ablate {blocks[-1]}, 10 controls": lambda: lens.ablate_frame(frame, ten, "zero", 10),
    }
    for block in (blocks[0], blocks[len(blocks) // 2], blocks[-1]):
        runs[f"measure {block}"] = lambda block=block: lens.attribute_frame(
            frame, target, [block], "ablation"
        )  # type: ignore[misc]
    return {name: round(seconds(run) / forward, 1) for name, run in runs.items()}


def main(
    out: Path,
    models: Annotated[str, typer.Option(help="Names of models, separated by commas.")] = "",
    dogs: Annotated[int, typer.Option(help="Number of dogs, one of each breed.")] = 10,
    with_cost: Annotated[
        bool, typer.Option("--cost", help="Also measure the cost in forward passes.")
    ] = False,
) -> None:
    """Writes the table of every model."""
    torch.set_num_threads(1)
    record: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.exists() else {}
    lenses = {name: sge.Lens(load_torch_model(name), "cpu") for name in models.split(",") if name} or {
        name: sge.Lens(load_torch_model(name), "cpu") for name in shipped_entries()
    }

    def save() -> None:
        write_atomically(out, (json.dumps(record, indent=1) + "\n").encode())

    for path in images(dogs):
        for name, lens in lenses.items():
            model = record.setdefault(name, {"images": {}})
            if path.name not in model["images"]:
                model["images"][path.name] = agreement(lens, path)
            model["blocks"] = table(model["images"])
            save()
    if with_cost:
        for name, lens in lenses.items():
            record[name]["cost"] = cost(lens, images(dogs)[0])
            save()
    for name in lenses:
        print(name, f"({len(record[name]['images'])} images)")
        for block, row in record[name]["blocks"].items():
            print(f"  {block}: " + ", ".join(f"{key} {value:g}" for key, value in row.items()))


if __name__ == "__main__":
    typer.run(main)
