"""Prints the largest differences between ONNX Runtime and torch on photos, for each shipped model.

    python -m scripts.measure.backend_differences [NAME ...]

14 of the dogs of ../shared/data/parts_dev (or SGE_SHARED), both framings. docs/export.md has the table.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import sge
from scripts.common import DATA
from sge.models import export_onnx, load_torch_model, shipped_entries

PHOTOS, STEP = 14, 6
"""Number of photos; every ``STEP``-th is taken."""
SIGNALS = ("similarity", "masks")


def differences(model: sge.Model, file: Path) -> tuple[list[float], dict[str, tuple[float, str]]]:
    """Differences of the logits of each pass, relative to its largest one, and of maps: the largest, and its block."""
    torch_lens, onnx_lens = sge.Lens(model, "cpu"), sge.Lens(sge.load_model(file))
    logits, maps = [], dict.fromkeys(SIGNALS, (0.0, ""))
    for photo in sorted((DATA / "parts_dev").glob("*.JPEG"))[::STEP][:PHOTOS]:
        for framing in ("whole", "center"):
            frame = torch_lens.frame(photo, framing)
            rows = [lens._backend.logits(frame.array[None])[0] for lens in (torch_lens, onnx_lens)]
            logits.append(float(np.abs(rows[1] - rows[0]).max() / np.abs(rows[0]).max()))
            one, other = (lens.analyze_frames([frame])[0] for lens in (torch_lens, onnx_lens))
            for signal in SIGNALS:
                mine, theirs = getattr(one, signal), getattr(other, signal)
                found = max((float(np.abs(theirs[block] - mine[block]).max()), block) for block in mine)
                maps[signal] = max(maps[signal], found)
    return logits, maps


def main(names: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Prints a line for each model."""
    for name in names or list(shipped_entries()):
        model = load_torch_model(name)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{name}.onnx"
            export_onnx(model, file)
            logits, maps = differences(model, file)
        found = ", ".join(f"{signal} {value:.2g} ({block})" for signal, (value, block) in maps.items())
        print(f"{name}: logits {np.median(logits):.1e}, {max(logits):.1e}; {found}", flush=True)


if __name__ == "__main__":
    typer.run(main)
