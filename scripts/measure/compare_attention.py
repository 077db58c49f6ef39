"""The paper's comparison on images that we have: one recipe, each kind of attention, several seeds.

    .venv/bin/python docs/compare_attention.py --train TRAIN --dev DEV --out runs/compare [-- more options of sge train]

Each training goes on where it was broken off, so this may be started again. Prints a table for docs/models.md.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
from pathlib import Path

from sge.nn.resnet import resnet

KINDS = ("none", "se", "cbam", "bam", "sge")


def main() -> None:
    """Trains what is missing, then prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", required=True, type=Path)
    parser.add_argument("--dev", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--preset", default="imagewoof-cpu")
    parser.add_argument("--depth", type=int, default=18)
    parser.add_argument("--seeds", type=int, default=2)
    asked, more = parser.parse_known_args()
    more = [one for one in more if one != "--"]
    for seed in range(asked.seeds):
        for kind in KINDS:
            train(asked, kind, seed, more)
    print("| attention | parameters | top-1, last epoch: mean (each seed) | best epoch: mean |")
    print("|---|---|---|---|")
    for kind in KINDS:
        last, best = zip(
            *(figures(folder(asked.out, kind, seed)) for seed in range(asked.seeds)), strict=True
        )
        count = sum(p.numel() for p in resnet(asked.depth, kind, num_classes=10).parameters())
        each = ", ".join(f"{value:.3f}" for value in last)
        print(f"| {kind} | {count:,} | {statistics.mean(last):.3f} ({each}) | {statistics.mean(best):.3f} |")


def train(asked: argparse.Namespace, kind: str, seed: int, more: list[str]) -> None:
    """One training, unless its weights are there."""
    out = folder(asked.out, kind, seed)
    if (out / "best.safetensors").exists():
        return
    print(f"{kind}, seed {seed}", file=sys.stderr)
    command = [Path(sys.executable).with_name("sge"), "train", asked.preset]
    command += ["--train", asked.train, "--dev", asked.dev, "--cache", asked.out / "cache", "--out", out]
    command += ["--attention", kind, "--depth", asked.depth, "--seed", seed, *more]
    subprocess.run([str(one) for one in command], check=True)


def folder(out: Path, kind: str, seed: int) -> Path:
    """Of one training."""
    return out / f"{kind}-{seed}"


def figures(training: Path) -> tuple[float, float]:
    """Top-1 on the dev images after the last epoch, and the best."""
    with (training / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return float(rows[-1]["top1"]), float(rows[-1]["best"])


if __name__ == "__main__":
    main()
