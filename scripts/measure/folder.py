"""Measures the steps of ``sge analyze FOLDER`` against the raw forward passes of the same images, in turns.

    python -m scripts.measure.folder --backend onnxruntime --format safetensors

The raw passes begin with framed images and compute what the command computes (every map, parts), in batches of one shape
and with as many passes at a time; they read, decode and write nothing. What the command takes longer is what it could
not hide behind the passes.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sge.analysis import Analysis
from sge.bench import interleaved
from sge.cli.inputs import Input, find
from sge.cli.pipeline import MAX_BATCH, Steps, lanes, without_pixels, work_through
from sge.images import Frame
from sge.lens import Lens
from sge.models import DEFAULT_MODEL, load_model
from sge.paths import shipped


def batches_of(frames: list[Frame]) -> list[list[Frame]]:
    """The frames in batches of one shape."""
    by_shape: dict[tuple[int, ...], list[Frame]] = {}
    for frame in frames:
        by_shape.setdefault(frame.array.shape, []).append(frame)
    return [
        same[first : first + MAX_BATCH]
        for same in by_shape.values()
        for first in range(0, len(same), MAX_BATCH)
    ]


def raw(lens: Lens, batches: list[list[Frame]]) -> None:
    """Every batch once."""
    with ThreadPoolExecutor(lanes(lens)) as pool:
        list(pool.map(lens.analyze_frames, batches))


def command(lens: Lens, inputs: list[Input], out: Path, ending: str) -> None:
    """The steps of the command, with its printing left out."""

    def write(image: Input, analysis: Analysis) -> None:
        analysis.save(out / f"{image.relative.stem}.{ending}")

    def read(image: Input) -> Frame:
        return without_pixels(lens.frame(image.read()))

    work_through(inputs, Steps(read, lens.analyze_frames, write, lambda _image, _none: None), lanes(lens))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--backend", default="torch", choices=["torch", "onnxruntime"])
    parser.add_argument("--format", default="safetensors", choices=["json", "safetensors", "npz"])
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    lens = Lens(load_model(given.model), "cpu", backend=given.backend, frozen=True)
    samples = sorted(p for p in (shipped("static") / "samples").glob("*.jpg") if ".thumb." not in p.name)
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name, "images"), Path(name, "records")
        folder.mkdir()
        for number in range(given.images):
            shutil.copy(samples[number % len(samples)], folder / f"{number}.jpg")
        inputs = find([str(folder)])
        batches = batches_of([without_pixels(lens.frame(image.read())) for image in inputs])
        contenders: dict[str, Callable[[], object]] = {
            "raw passes": lambda: raw(lens, batches),
            f"analyze to {given.format}": lambda: command(lens, inputs, out, given.format),
        }
        timings = interleaved(contenders, given.rounds)
    first, second = timings.values()
    low, middle, high = first.ratio_to(second)
    print(f"{given.model}, {given.backend}, {given.images} images, {given.rounds} rounds")
    for label, timing in timings.items():
        print(f"  {label}: {given.images / timing.median:.1f} images/s")
    print(f"  the command reaches {middle:.2f} ({low:.2f} to {high:.2f}) of the raw passes")


if __name__ == "__main__":
    main()
