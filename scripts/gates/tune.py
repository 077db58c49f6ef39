"""Gate tunings of sge_efficientnet_lite0 on a GPU within a fixed time, or on a CPU for a number of steps.

    python -m scripts.gates.tune scripts/gates/runs.json OUT --seconds 540
    python -m scripts.gates.tune scripts/gates/polish.json OUT --device cpu --dtype bfloat16 --begin gates-2.safetensors

Reads ../shared/data (or SGE_SHARED). The runs of the JSON file (``config``) share the seconds that are left when the
images are decoded; a run that states ``steps`` takes the time that they take, and resumes exactly if it is begun again.
Each finished run is in ``OUT/gates-FILE.safetensors`` (``results``). ``scripts.gates.ship`` makes the shipped model of one.
"""

from __future__ import annotations

import time

STARTED = time.monotonic()

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import traceback  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch import Tensor  # noqa: E402

from scripts.gates.config import GateRun, make_run, read_runs  # noqa: E402
from scripts.gates.images import load_images  # noqa: E402
from scripts.gates.monitoring import measure  # noqa: E402
from scripts.gates.results import Results  # noqa: E402
from scripts.gates.training import GateTraining, Machine  # noqa: E402

RESERVE = 6.0
"""Seconds at the end that no run uses."""
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def main(arguments: list[str] | None = None) -> None:
    """Decodes the images and does the runs one after another."""
    options = _options(arguments)
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stop.append(number))
    device = torch.device(options.device)
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.allow_tf32 = True  # but not in products of matrices: the classifier is exact
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.benchmark_limit = 5
    options.out.mkdir(parents=True, exist_ok=True)
    archives, unseen = _learned_from(options.images)
    images = load_images(archives, device, unseen=unseen, processes=options.processes, limit=options.limit)
    start = {key: value.float().to(device) for key, value in _start(options.start).items()}
    counts = {s: (len(images.learned[s]), len(images.monitored[s])) for s in images.learned}
    print(f"{_spent():.0f} s: images that are learned from, and monitored: {counts}", flush=True)
    machine = Machine(start, images, DTYPES[options.dtype], not options.contiguous, lambda: bool(stop))
    results = Results(options.out, start)
    for path in options.begin:
        results.add(path)
    runs = read_runs(options.runs)
    for number, settings in enumerate(runs):
        shares = [float(run.get("time", 1)) for run in runs[number:]]
        seconds = (options.seconds - RESERVE - _spent()) * shares[0] / sum(shares)
        if stop or (seconds < 1 and not settings.get("steps")):
            print(f"{settings['name']}: no time is left", flush=True)
            continue
        _try(machine, results, settings | options.override, seconds)
    print(f"{_spent():.0f} s: {'stopped' if stop else 'done'}", flush=True)


def _learned_from(images: list[Path]) -> tuple[list[Path], set[str]]:
    """Archives, and the names within them that nothing learns from."""
    if images:
        return images, set()
    from scripts.gates.sets import ARCHIVES, unseen

    return list(ARCHIVES), unseen()


def _start(path: Path | None) -> dict[str, Tensor]:
    """State of the network with inactive gates."""
    if path:
        return load_file(path)
    from sge.models import LITE0, pretrained_model

    return pretrained_model(LITE0).network(inactive=True).state_dict()


def _try(machine: Machine, results: Results, settings: dict[str, Any], seconds: float) -> None:
    """One run; whatever fails in it does not touch the others. With half the batch again if the memory is too small."""
    ends = time.monotonic() + seconds
    base = results.base(settings.get("base"))
    run = make_run(settings, base[0] if base else None)
    for batch in (run.batch, run.batch // 2, run.batch // 4):
        try:
            _do(machine, results, make_run({"batch": batch}, run), base, ends)
            return
        except torch.OutOfMemoryError:
            print(f"{run.name}: the memory is too small for batches of {batch}", flush=True)
        except Exception:
            traceback.print_exc()
            return
        torch.cuda.empty_cache()


def _do(
    machine: Machine,
    results: Results,
    run: GateRun,
    base: tuple[GateRun, dict[str, Tensor]] | None,
    ends: float,
) -> None:
    training = GateTraining(machine, run, base[1] if base and run.from_weights else None)
    kept = results.folder / f"{run.name}.state"
    if run.steps and kept.exists():
        training.load_state_dict(torch.load(kept, map_location=machine.device, weights_only=True))
        print(f"{run.name}: resumes at step {training.steps}", flush=True)
    began = time.monotonic()

    def save() -> None:
        torch.save(training.state_dict(), kept.with_suffix(".part"))
        os.replace(kept.with_suffix(".part"), kept)

    def write(learned: dict[str, Tensor]) -> None:
        torch.backends.cudnn.benchmark = False  # batches of many sizes
        figures = measure(machine, learned)
        torch.backends.cudnn.benchmark = True
        seconds = round(time.monotonic() - began, 1)
        facts = {"steps": training.steps, "images": training.seen, "seconds": seconds, "figures": figures}
        results.put(run, learned, facts)
        print(f"{_spent():.0f} s: {run.name} written: {json.dumps(facts)}", flush=True)

    training.train(ends - began, write, save)


def _spent() -> float:
    return time.monotonic() - STARTED


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, help="JSON file of the runs")
    parser.add_argument("out", type=Path, help="folder of the results")
    parser.add_argument(
        "--begin", type=Path, nargs="*", default=[], help="result files whose runs can be a base"
    )
    parser.add_argument(
        "--start", type=Path, help="state of the network with inactive gates, instead of the shipped"
    )
    parser.add_argument(
        "--images", type=Path, nargs="*", default=[], help="tar and zip files, instead of the shared"
    )
    parser.add_argument("--seconds", type=float, default=540, help="from the start of the program to its end")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", choices=DTYPES, default="float16", help="of the convolutions")
    parser.add_argument("--contiguous", action="store_true", help="not channels_last")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processes", type=int, default=12, help="that decode")
    parser.add_argument("--limit", type=int, help="at most so many images of each source")
    parser.add_argument(
        "--override", type=json.loads, default={}, help="JSON: settings that replace those of all runs"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
