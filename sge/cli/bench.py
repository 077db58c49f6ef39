"""``sge bench``: the costs of SGE and of each stage, as ratios within one run."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import torch
import typer
from rich.table import Table

from sge.bench import Contenders, exported_networks, interleaved, networks, stages, write_networks
from sge.cli.bench_service import service
from sge.cli.bench_soak import soak
from sge.cli.console import emit
from sge.cli.options import DeviceOption, ModelOption, loaded_model
from sge.lens import Lens
from sge.models import DEFAULT_MODEL

app = typer.Typer(help="Measure costs as ratios within one run.", no_args_is_help=True)
app.command("service")(service)
app.command("soak")(soak)
Rounds = Annotated[int, typer.Option(min=5, help="Number of runs of each contender.")]
Threads = Annotated[int, typer.Option(min=0, help="Threads that compute; 0: one for each core.")]


class Runtime(StrEnum):
    """What runs the networks."""

    TORCH = "torch"
    ONNXRUNTIME = "onnxruntime"


@app.command("module")
def module(
    rounds: Rounds = 15,
    threads: Threads = 0,
    device: DeviceOption = "cpu",
    backend: Annotated[Runtime, typer.Option(help="What runs the networks.")] = Runtime.TORCH,
) -> None:
    """Time a ResNet-50 (224 px, float32) with and without SGE, by memory layout and batch size."""
    _set(threads)
    if backend == Runtime.ONNXRUNTIME:
        with TemporaryDirectory(prefix="sge-bench-") as folder:
            files = write_networks(Path(folder))
            for batch in (1, 8):
                used = threads or os.cpu_count() or 1
                _report(
                    f"ONNX Runtime, {used} threads, batch {batch}",
                    exported_networks(files, batch, used),
                    rounds,
                )
        return
    for channels_last in (False, True):
        for batch in (1, 8):
            layout = "channels_last" if channels_last else "NCHW"
            title = f"{layout}, {torch.get_num_threads()} threads, batch {batch}"
            _report(title, networks(batch, channels_last, device), rounds)


@app.command("lens")
def lens(
    rounds: Rounds = 15,
    threads: Threads = 0,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
) -> None:
    """Time each stage from a 1.4 megapixel JPEG to an analysis."""
    _set(threads)
    loaded = Lens(loaded_model(model), device)
    _report(f"{model} on {loaded.device}, {torch.get_num_threads()} threads", stages(loaded), rounds)


def _set(threads: int) -> None:
    if threads:
        torch.set_num_threads(threads)


def _report(title: str, contenders: Contenders, rounds: int) -> None:
    timings = interleaved(contenders, rounds)
    first = next(iter(timings.values()))
    table = Table(title=f"{title}; {rounds} rounds, torch {torch.__version__}")
    for heading in ("", "time against the first", "quartiles", "median, ms"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, timing in timings.items():
        low, middle, high = timing.ratio_to(first)
        table.add_row(name, f"{middle:.2f}", f"{low:.2f} to {high:.2f}", f"{1000 * timing.median:.1f}")
    emit(table)
