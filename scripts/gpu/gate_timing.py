"""Times the kernel of the SGE module, the eager module and, for two shapes, the eager module under torch.compile.

``python -m scripts.gpu.bench_gate`` starts the processes of what is compiled and swept:
``python -m scripts.gpu.gate_timing --task TASK --lock FILE --out FILE``, with TASK one of ``compiled``, ``sweep0``,
``sweep1`` and ``sweep2``. Each compiles at once and measures when it gets the lock.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from scripts.gpu.gate_cases import DTYPES, EPS, Case, eager, lite0_shapes, make, resnet_shapes
from scripts.gpu.gate_network import alone
from sge.nn.kernels import fused_gate

Report = dict[str, Any]
SWEPT = ((64, 64, 56, 4), (64, 64, 28, 8), (64, 64, 7, 32))
"""Images, groups, side and channels of a group: the shapes for which other tiles are tried."""
TASKS = ("compiled", *(f"sweep{i}" for i in range(len(SWEPT))))


def timed_cases(tiny: bool) -> list[Case]:
    """The shapes that are timed, with those of ResNet-50 first."""
    if tiny:
        return [Case("tiny", 2, 12, 4, 5, 3, "float32", last) for last in (False, True)]
    found = [
        Case("resnet50-224", images, *shape, "bfloat16", last)
        for images in (256, 32)
        for last in (True, False)
        for shape in resnet_shapes(224, 4)
    ]
    found += [
        Case("lite0-320x416", images, *shape, "bfloat16", True)
        for images in (16, 1)
        for shape in lite0_shapes(320, 416)
    ]
    return [*found, *(Case("resnet50-224", 32, *shape, "float32", False) for shape in resnet_shapes(224, 4))]


def microseconds(call: Callable[[], object], rep: int = 30) -> float:
    """Median time of a call; the L2 cache is emptied before each."""
    if not torch.cuda.is_available():
        start = time.perf_counter()
        call()
        return 1e6 * (time.perf_counter() - start)
    from triton.testing import do_bench

    return 1000 * float(do_bench(call, warmup=8, rep=rep, return_mode="median"))


def copy_rate(device: str) -> float:
    """GB/s of a copy on the device, counting bytes read and bytes written."""
    size = 2**29 if device == "cuda" else 2**20
    source = torch.randint(0, 127, (size,), dtype=torch.int8, device=device)
    target = torch.empty_like(source)
    return 2 * size / microseconds(lambda: target.copy_(source), 100) / 1000


class Way:
    """One way to compute the module on given tensors, without and with gradients."""

    def __init__(self, function: Callable[..., torch.Tensor], case: Case, device: str) -> None:
        self.function = function
        self.x, self.dy, self.weight, self.bias = make(case, device, 1)
        self.leaves = [t.detach().clone().requires_grad_() for t in (self.x, self.weight, self.bias)]

    def forward(self) -> object:
        """The output."""
        with torch.no_grad():
            return self.function(self.x, self.weight, self.bias)

    def both(self) -> object:
        """Output and gradients."""
        return torch.autograd.grad(self.function(*self.leaves), self.leaves, self.dy)

    def times(self) -> dict[str, float]:
        """Median microseconds of each."""
        return {"forward": microseconds(self.forward), "both": microseconds(self.both)}


def functions(case: Case) -> dict[str, Callable[..., torch.Tensor]]:
    """The eager module and the kernel."""
    return {
        "eager": lambda x, w, b: eager(x, w, b, case.groups)[0],
        "fused": lambda x, w, b: fused_gate(x, w, b, case.groups, EPS),
    }


def time_case(case: Case, device: str) -> Report:
    """Times of one shape, in microseconds, and the rates that the kernel reaches, in GB/s."""
    times = {name: Way(function, case, device).times() for name, function in functions(case).items()}
    size = case.images * case.channels * case.height * case.width * DTYPES[case.dtype].itemsize
    rates = {"forward": 2 * size, "both": 5 * size}
    gbs = {name: moved / times["fused"][name] / 1000 for name, moved in rates.items()}
    return {**asdict(case), "us": times, "fused_gbs": gbs}


def time_compiled(device: str, tiny: bool, lock: Path, out: Path) -> None:
    """Times of the eager module under torch.compile, for stage 1 of ResNet-50 in both layouts."""
    chosen = (
        timed_cases(True)
        if tiny
        else [c for c in timed_cases(False) if c.images == 32 and c.height == 56][:2]
    )
    ways = []
    for case in chosen:
        started = time.time()
        way = Way(torch.compile(functions(case)["eager"], dynamic=False), case, device)
        way.forward()
        way.both()
        ways.append((case, way, time.time() - started))
    with alone(lock):
        found = [{**asdict(case), "compile_s": spent, "us": way.times()} for case, way, spent in ways]
    out.write_text(json.dumps(found), "utf-8")


def others(tile: Any, positions: int) -> list[Any]:
    """A tile and its neighbours: more and fewer warps and groups, and the other kind of kernel."""
    whole = 1 << (positions - 1).bit_length()
    chunk = max(4096 // (tile.groups * tile.channels), 8)
    flipped = replace(tile, resident=False, positions=chunk, warps=8)
    if not tile.resident:
        flipped = replace(tile, resident=True, positions=whole, groups=1, warps=16)
    found = [tile, flipped]
    found += [replace(tile, warps=warps) for warps in (tile.warps // 2, tile.warps * 2) if 2 <= warps <= 32]
    found += [replace(tile, groups=groups) for groups in (tile.groups // 2, tile.groups * 2) if groups]
    elements = [t.positions * t.groups * t.channels for t in found]
    return [t for t, count in zip(found, elements, strict=True) if count <= 32768]


def sweep(shape: tuple[int, int, int, int], device: str, lock: Path, out: Path) -> None:
    """Times of other tiles than the chosen ones, without the L2 cache emptied; the chosen one is the first."""
    from sge.nn.kernels import launch

    images, groups, side, size = shape
    chosen, calls = launch.tiling, []
    for last in (True, False):
        case = Case("sweep", images, groups * size, groups, side, side, "bfloat16", last)
        x, dy, weight, bias = make(case, device, 2)
        _, mean, stats, _, _ = launch.forward(x, weight, bias, groups, EPS, save=True)
        assert mean is not None
        assert stats is not None
        given = {"forward": (x, weight, bias), "backward": (x, dy, weight, bias, mean, stats)}
        for name, tensors in given.items():
            own = chosen(images, groups, size, side * side, 2, last, name == "backward")
            for tile in others(own, side * side):

                def call(name: str = name, tensors: Any = tensors, tile: Any = tile) -> object:
                    setattr(launch, "tiling", lambda *_: tile)  # noqa: B010
                    return getattr(launch, name)(*tensors, groups, EPS)

                try:
                    call()
                    calls.append((name, last, tile, call))
                except Exception as error:  # too many registers or too much shared memory: not a choice
                    print(name, last, tile, error, flush=True)
    with alone(lock):
        found = [
            {"shape": shape, "last": last, "pass": name, "tile": asdict(tile), "us": microseconds(call, 15)}
            for name, last, tile, call in calls
        ]
    out.write_text(json.dumps(found), "utf-8")


def main() -> None:
    """Runs one task."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if options.task == "compiled":
        time_compiled(options.device, options.tiny, options.lock, options.out)
    else:
        shape = (2, 4, 5, 3) if options.tiny else SWEPT[int(options.task[-1])]
        sweep(shape, options.device, options.lock, options.out)


if __name__ == "__main__":
    main()
