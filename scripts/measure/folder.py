"""Measures the steps of ``sge analyze FOLDER`` against the raw forward passes of the same images, in turns.

    python -m scripts.measure.folder --backend onnxruntime --format safetensors

The raw passes begin with framed images and compute what the command computes (every map, parts); they read, decode and
write nothing. They run once in batches of one shape and once arranged as in the command, with as many passes at a time.
What the command takes longer is what it could not hide behind the passes. Beside the time there is the CPU time of the
process, whose ratio holds also on a machine that others use.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sge.analysis import Analysis
from sge.bench import interleaved
from sge.cli.inputs import Input, find
from sge.cli.passes import MAX_BATCH, Passes, passes_of
from sge.cli.pipeline import Steps, without_pixels, work_through
from sge.images import Frame
from sge.lens import Lens
from sge.models import DEFAULT_MODEL, load_model
from sge.paths import shipped


def batches_of(frames: list[Frame], most: int) -> list[list[Frame]]:
    """The frames in batches of one shape."""
    by_shape: dict[tuple[int, ...], list[Frame]] = {}
    for frame in frames:
        by_shape.setdefault(frame.array.shape, []).append(frame)
    return [same[first : first + most] for same in by_shape.values() for first in range(0, len(same), most)]


def raw(lens: Lens, frames: list[Frame], passes: Passes, images: int) -> None:
    """Every frame once, with so many images a pass."""
    with ThreadPoolExecutor(passes.at_a_time) as pool:
        list(pool.map(lens.analyze_frames, batches_of(frames, images)))


def command(lens: Lens, inputs: list[Input], out: Path, ending: str, passes: Passes) -> None:
    """The steps of the command, with its printing left out."""

    def write(image: Input, analysis: Analysis) -> None:
        analysis.save(out / f"{image.relative.stem}.{ending}")

    def read(image: Input) -> Frame:
        return without_pixels(lens.frame(image.read()))

    work_through(inputs, Steps(read, lens.analyze_frames, write, lambda _image, _none: None), passes)


class Timed:
    """A contender that also keeps its CPU times."""

    def __init__(self, run: Callable[[], None]) -> None:
        self._run = run
        self._cpu: list[float] = []

    def __call__(self) -> None:
        """Runs it once."""
        before = time.process_time()
        self._run()
        self._cpu.append(time.process_time() - before)

    @property
    def cpu_s(self) -> float:
        """Median CPU time of a round, seconds; the first round warms up."""
        return statistics.median(self._cpu[1:])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--backend", default="torch", choices=["torch", "onnxruntime", "openvino"])
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
        frames = [without_pixels(lens.frame(image.read())) for image in inputs]
        with passes_of(lens, len(inputs)) as passes:
            contenders = {
                f"raw batches of {MAX_BATCH}": Timed(lambda: raw(lens, frames, passes, MAX_BATCH)),
                "raw, as in the command": Timed(lambda: raw(lens, frames, passes, passes.images)),
                f"analyze to {given.format}": Timed(lambda: command(lens, inputs, out, given.format, passes)),
            }
            timings = interleaved(contenders, given.rounds)
    print(f"{given.model}, {given.backend}, {given.images} images, {given.rounds} rounds")
    *raws, last = contenders
    for label, timing in timings.items():
        cpu_ms = 1000 * contenders[label].cpu_s / given.images
        print(f"  {label}: {given.images / timing.median:.1f} images/s, {cpu_ms:.1f} CPU ms an image")
    for label in raws:
        low, middle, high = timings[label].ratio_to(timings[last])
        cpu = contenders[label].cpu_s / contenders[last].cpu_s
        print(f"  the command reaches {middle:.2f} ({low:.2f} to {high:.2f}) of {label}; CPU time {cpu:.2f}")


if __name__ == "__main__":
    main()
