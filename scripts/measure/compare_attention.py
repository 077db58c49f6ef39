"""The paper's comparison on images that we have: one config, each kind of attention, several seeds.

    python -m scripts.measure.compare_attention --train TRAIN --dev DEV --out runs/compare [-- more options of sge train]

Trainings resume where they were interrupted, so that the command can be repeated. Prints a table for docs/models.md.
"""

from __future__ import annotations

import csv
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from sge.nn import build_resnet

KINDS = ("none", "se", "cbam", "bam", "sge")

app = typer.Typer(add_completion=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def main(
    context: typer.Context,
    train: Annotated[Path, typer.Option()],
    dev: Annotated[Path, typer.Option()],
    out: Annotated[Path, typer.Option()],
    preset: str = "imagewoof-cpu",
    depth: int = 18,
    seeds: int = 2,
) -> None:
    """Trains what is missing, then prints the table; other options are passed to ``sge train``."""
    for seed in range(seeds):
        for kind in KINDS:
            options = [preset, "--train", train, "--dev", dev, "--cache", out / "cache", "--depth", depth]
            train_one(out, kind, seed, [*map(str, options), *context.args])
    print("| attention | parameters | top-1, last epoch: mean (each seed) | best epoch: mean |")
    print("|---|---|---|---|")
    for kind in KINDS:
        last, best = zip(*(read_top1(training_folder(out, kind, seed)) for seed in range(seeds)), strict=True)
        count = sum(p.numel() for p in build_resnet(depth, kind, num_classes=10).parameters())
        values = ", ".join(f"{value:.3f}" for value in last)
        print(
            f"| {kind} | {count:,} | {statistics.mean(last):.3f} ({values}) | {statistics.mean(best):.3f} |"
        )


def train_one(out: Path, kind: str, seed: int, options: list[str]) -> None:
    """Runs one training, unless its weights exist."""
    folder = training_folder(out, kind, seed)
    if (folder / "best.safetensors").exists():
        return
    print(f"{kind}, seed {seed}", file=sys.stderr)
    command = [sys.executable, "-m", "sge", "train", *options]
    command += ["--out", str(folder), "--attention", kind, "--seed", str(seed)]
    subprocess.run(command, check=True)


def training_folder(out: Path, kind: str, seed: int) -> Path:
    """The folder of one training."""
    return out / f"{kind}-{seed}"


def read_top1(folder: Path) -> tuple[float, float]:
    """Top-1 on the dev images after the last epoch, and in the best epoch."""
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return float(rows[-1]["top1"]), float(rows[-1]["best"])


if __name__ == "__main__":
    app()
