"""Prints the differences between a backend for exported files and torch on photos, for each shipped model.

    python -m scripts.measure.backend_differences [NAME ...] [--backend openvino [--precision bfloat16]]

14 of the dogs of ../shared/data/parts_dev (or SGE_SHARED), both framings. docs/export.md has the figures.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import sge
from scripts.common import DATA
from sge.arrays import Array
from sge.models import export_onnx, load_torch_model, shipped_entries

PHOTOS, STEP = 14, 6
"""Number of photos; every ``STEP``-th is taken."""
SIGNALS = ("similarity", "masks")


@dataclass
class Difference:
    """Differences of one map over all photos."""

    largest: float = 0.0
    block: str = ""
    """That of the largest difference."""
    means: list[float] = field(default_factory=list)
    """Of each photo, framing and block."""

    def add(self, block: str, apart: Array) -> None:
        """Takes the absolute differences of one block on one photo."""
        self.means.append(float(apart.mean()))
        if apart.max() > self.largest:
            self.largest, self.block = float(apart.max()), block


def differences(model: sge.Model, lens: sge.Lens) -> tuple[list[float], int, dict[str, Difference]]:
    """Compares a lens with torch.

    Returns:
        Of each pass, the largest difference of the logits, relative to the largest logit; in how many passes the first
        class differs; and the differences of each kind of map.
    """
    torch_lens = sge.Lens(model, "cpu")
    logits, others, maps = [], 0, {signal: Difference() for signal in SIGNALS}
    for photo in sorted((DATA / "parts_dev").glob("*.JPEG"))[::STEP][:PHOTOS]:
        for framing in ("whole", "center"):
            frame = torch_lens.frame(photo, framing)
            expected, found = (one._backend.logits(frame.array[None])[0] for one in (torch_lens, lens))
            logits.append(float(np.abs(found - expected).max() / np.abs(expected).max()))
            others += int(found.argmax() != expected.argmax())
            one, other = (each.analyze_frames([frame])[0] for each in (torch_lens, lens))
            for signal in SIGNALS:
                mine, theirs = getattr(one, signal), getattr(other, signal)
                for block in mine:
                    maps[signal].add(block, np.abs(theirs[block] - mine[block]))
    return logits, others, maps


def main(
    names: Annotated[list[str] | None, typer.Argument()] = None,
    backend: Annotated[str, typer.Option()] = "onnxruntime",
    precision: Annotated[str, typer.Option()] = "float32",
) -> None:
    """Prints a line for each model."""
    for name in names or list(shipped_entries()):
        model = load_torch_model(name)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{name}.onnx"
            export_onnx(model, file)
            lens = sge.Lens(sge.load_model(file), backend=backend, precision=precision)
            logits, others, maps = differences(model, lens)
        found = ", ".join(
            f"{signal} {one.largest:.2g} ({one.block}), mean {np.mean(one.means):.2g}"
            for signal, one in maps.items()
        )
        print(
            f"{name}: logits {min(logits):.1e}, {np.median(logits):.1e}, {max(logits):.1e}; first class differs "
            f"{others} times of {len(logits)}; {found}",
            flush=True,
        )


if __name__ == "__main__":
    typer.run(main)
