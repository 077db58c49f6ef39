"""Makes the tables of the comparison of attention modules from its result; docs/models.md shows them.

    python -m scripts.measure.comparison_table runs/compare/compare.json

Writes ``docs/compare_attention.figures.json``, which also keeps the result itself, one bit for each image and network, so
that every figure can be computed again. ``python -m scripts.render_tables`` renders it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import typer

from scripts.render_tables import ROOT, SUFFIX, VERSION, Table
from sge.files import write_atomically

NAME = "compare_attention"
FIGURES = ROOT / "docs" / f"{NAME}{SUFFIX}"
DRAWS = 10_000
NAMES = {"none": "none", "se": "SE", "cbam": "CBAM", "bam": "BAM", "sge": "SGE"}
PAPER = {
    "none": (76.384, 78.200),
    "se": (77.184, 78.468),
    "cbam": (77.626, 78.354),
    "bam": (76.898, 78.218),
    "sge": (77.584, 78.798),
}
"""Top-1 in percent of ResNet-50 and ResNet-101 with each module on ImageNet, from the authors' repository
(PytorchInsight, commit 2864528)."""

Correct = npt.NDArray[np.float32]
"""(seeds, images), 1 where the network of a seed recognizes an image."""


def read_correct(result: dict[str, Any]) -> dict[str, Correct]:
    """Unpacks which images each kind recognizes, from the content of ``compare.json``."""
    count = result["dev_images"]
    return {
        kind: np.stack(
            [
                np.unpackbits(np.frombuffer(bytes.fromhex(seed[kind]["correct"]), np.uint8))[:count]
                for seed in result["seeds"].values()
            ]
        ).astype(np.float32)
        for kind in result["kinds"]
    }


def difference(first: Correct, second: Correct) -> dict[str, float]:
    """Mean of first minus second in points, with a 95 % interval.

    Seeds and images are both drawn anew, the same ones for both, since another training and other images would both
    change the difference.
    """
    values = 100 * (first - second)
    # Images with the same differences in all seeds are interchangeable: how many of each kind are drawn decides.
    patterns, counts = np.unique(values.T, axis=0, return_counts=True)
    generator = np.random.default_rng(0)
    images = generator.multinomial(counts.sum(), counts / counts.sum(), DRAWS)
    seeds = generator.integers(len(values), size=(DRAWS, len(values)))
    means = np.take_along_axis(images @ patterns / counts.sum(), seeds, 1).mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {
        "value": round(float(values.mean()), 2),
        "low": round(float(low), 2),
        "high": round(float(high), 2),
    }


def make_tables(result: dict[str, Any]) -> dict[str, Table]:
    """The table of the measurement, and that of the paper's own figures."""
    return {"comparison": _comparison(result), "paper": _paper()}


def _comparison(result: dict[str, Any]) -> Table:
    correct, seeds = read_correct(result), list(result["seeds"].values())
    rows = []
    for kind, found in correct.items():
        row: dict[str, Any] = {
            "id": kind,
            "attention": NAMES[kind],
            "parameters": f"{seeds[0][kind]['parameters']:,}",
            "top1": round(100 * float(found.mean()), 2),
            "seeds": [round(100 * float(seed), 1) for seed in found.mean(1)],
        }
        for reference in ("none", "sge"):
            row[reference] = None if kind == reference else difference(found, correct[reference])
        rows.append(row)
    config = result["config"]
    return {
        "document": "docs/models.md",
        "set": (
            f"trained on Imagewoof's {result['train_images']:,} training images (`dogs_train.tar`, ten breeds), "
            f"measured on {result['dev_images']:,} of its validation images (`dogs_dev.tar`); no epoch was chosen on them"
        ),
        "protocol": (
            f"ResNet-{config['depth']} from scratch without a teacher, {len(seeds)} seeds, {config['epochs']} epochs "
            f"({result['steps']:,} steps of {config['batch']} crops of {config['size']} px), AdamW, the same crops in the "
            f"same order for all modules; averaged weights after the last step, center crop {config['eval_size']} px, one "
            f"view; differences in points with 95 % intervals, for which seeds and images are drawn anew, paired; "
            f"{result['device']}, torch {result['torch']}"
        ),
        "command": (
            f"python -m scripts.measure.{NAME} --train dogs_train.tar --dev dogs_dev.tar --out runs/compare && "
            "python -m scripts.measure.comparison_table runs/compare/compare.json"
        ),
        "columns": [
            {"key": "attention", "title": "attention"},
            {"key": "parameters", "title": "parameters"},
            {"key": "top1", "title": "top-1, %", "digits": 2},
            {"key": "seeds", "title": "each seed", "digits": 1},
            {"key": "none", "title": "minus none", "digits": 2},
            {"key": "sge", "title": "minus SGE", "digits": 2},
        ],
        "rows": rows,
    }


def _paper() -> Table:
    rows = []
    for kind, figures in PAPER.items():
        row: dict[str, Any] = {"id": kind, "attention": NAMES[kind]}
        for depth, top1, none in zip((50, 101), figures, PAPER["none"], strict=True):
            row |= {
                f"top1_{depth}": top1,
                f"minus_{depth}": f"{top1 - none:+.2f}" if kind != "none" else None,
            }
        rows.append(row)
    columns = [{"key": "attention", "title": "attention"}]
    for depth in (50, 101):
        columns.append({"key": f"top1_{depth}", "title": f"ResNet-{depth}: top-1, %"})
        columns.append({"key": f"minus_{depth}", "title": "minus none"})
    return {
        "document": "docs/models.md",
        "set": "ImageNet, 1000 classes: 1.28 million training images, 50,000 validation images",
        "protocol": (
            "the authors' figures, from their repository (PytorchInsight, commit 2864528), not measured here: 100 epochs "
            "at 224 px with SGD, best epoch, one training each, no intervals"
        ),
        "columns": columns,
        "rows": rows,
    }


def main(file: Path) -> None:
    """Computes the tables and writes them."""
    result = json.loads(file.read_text("utf-8"))
    record = {"version": VERSION, "model": NAME, "tables": make_tables(result), "result": result}
    write_atomically(FIGURES, (json.dumps(record, indent=1) + "\n").encode())
    typer.echo(FIGURES)


if __name__ == "__main__":
    typer.run(main)
