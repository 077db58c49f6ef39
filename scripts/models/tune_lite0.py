"""How sge_efficientnet_lite0_tuned was made before ``scripts.gates``: gates and norms alone, in minutes on a CPU.

    python -m scripts.models.tune_lite0 OUTPUT.delta.safetensors

Reads ../shared/data (or SGE_SHARED). A quarter of an hour on two cores; an interrupted tuning resumes. The result is
similar to those weights but not equal: there crops could be enlarged, and threads and kernels round differently.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import typer

import sge
from scripts.common import DATA, UNSEEN, held_back
from sge.datasets import DecodedCache, decode_files, find_images, index_path, write_cache
from sge.models import LITE0, LITE0_PREPROCESS, Delta, difference, pretrained_model, write_delta

DOGS, OTHERS = "dogs_train.tar", "one_each.tar"
REPEATS = 3
"""Number of times that the other things are in the set, which has eleven times as many dogs."""
CONFIG = sge.GateTuningConfig(steps=800, seed=0)


def cached_images(path: Path) -> DecodedCache:
    """The decoded images: dogs without the validation images, and other things without those that are held back."""
    held = set(held_back())
    kept = {
        DOGS: [file for file in find_images(DATA / DOGS) if not file.path.name.startswith(UNSEEN)],
        OTHERS: [file for file in find_images(DATA / OTHERS) if file.name not in held],
    }
    if not index_path(path).exists():
        images = (
            (f"{archive}/{file.name}", image)
            for archive, files in kept.items()
            for file, image in decode_files(files)
        )
        write_cache(path, images)
    names = DecodedCache(path).names
    dogs, others = ([i for i, name in enumerate(names) if name.startswith(f"{a}/")] for a in (DOGS, OTHERS))
    return DecodedCache(path, only=dogs + REPEATS * others)


def main(output: Path) -> None:
    """Tunes the gates, and writes the delta."""
    start = pretrained_model(LITE0)
    assert start.delta is not None
    network = start.network().to(memory_format=torch.channels_last)
    work = output.with_name(output.name + ".work")
    sge.tune_gates(
        network,
        cached_images(work / "images"),
        CONFIG,
        preprocess=LITE0_PREPROCESS,
        state_file=work / "state",
        progress=lambda report: print(report, file=sys.stderr),
    )
    state = difference(network, start.network().state_dict())
    write_delta(output, Delta(LITE0, start.published, start.delta.delta.permutations, state, {}))


if __name__ == "__main__":
    typer.run(main)
