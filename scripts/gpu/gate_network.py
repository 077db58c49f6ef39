"""Inference time of ResNet-50 in bfloat16, channels_last, 224 px: plain, with SGE eager, and with the fused SGE kernel.

``bench_gate.py`` calls ``measure`` for eager execution and CUDA graphs, and starts one process for each network under
torch.compile, because compiling takes most of its minute: ``python -m scripts.gpu.gate_network --variant fused
--until EPOCH --lock FILE --out FILE``. A process measures only while it holds the lock.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from sge.nn import build_resnet, sge_blocks
from sge.nn.kernels import without_fused_gates

VARIANTS = ("plain", "eager", "fused")
"""ResNet-50; SGE-ResNet-50 with the eager module; SGE-ResNet-50 with the kernel."""
BATCHES = (64, 1)
Call = Callable[[Tensor], Tensor]


def network(variant: str, device: str, size: int = 224) -> nn.Module:
    """A network with random weights and gates, whose batch norms have the statistics of one batch.

    The residual branches are scaled down: with branches as large as in a new network, rounding to bfloat16 alone changes
    the logits by a fifth, with SGE and without.
    """
    torch.manual_seed(0)
    made: nn.Module = build_resnet(50, "none" if variant == "plain" else "sge")
    made.to(device)
    for block in sge_blocks(made).values():
        nn.init.normal_(block.weight, std=0.7)
        nn.init.normal_(block.bias, 1, 0.5)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    for name, module in made.named_modules():
        if name.endswith("bn3"):
            nn.init.constant_(module.weight, 0.3)
    with torch.no_grad(), without_fused_gates():
        made.train()(images(16, device, size))
    return made.eval()


def images(batch: int, device: str, size: int) -> Tensor:
    """Smooth random patterns with details, (batch, 3, size, size), float32."""
    random = torch.Generator(device).manual_seed(batch)
    made = torch.zeros((batch, 3, size, size), device=device)
    for cells, strength in ((4, 1.0), (13, 0.6), (40, 0.3)):
        coarse = strength * torch.randn((batch, 3, cells, cells), generator=random, device=device)
        made += nn.functional.interpolate(coarse, (size, size), mode="bicubic")
    return made


def gates(variant: str) -> AbstractContextManager[None]:
    """The switch of the kernel for a variant."""
    return nullcontext() if variant == "fused" else without_fused_gates()


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Waits for the other processes that measure."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Median time of a call on the GPU, after three calls."""
    if not torch.cuda.is_available():
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    times = []
    for repeat in range(repeats + 3):
        start_event, end_event = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start_event.record()
        call()
        end_event.record()
        end_event.synchronize()
        if repeat >= 3:
            times.append(start_event.elapsed_time(end_event) / 1000)
    return float(median(times))


def graphed(call: Call, x: Tensor) -> Callable[[], object]:
    """Replays a CUDA graph of the call."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call(x)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call(x)
    return graph.replay


def measure(device: str, size: int, until: float) -> dict[str, Any]:
    """Milliseconds by batch, variant and way of execution; relative differences of the logits from float32."""
    result: dict[str, Any] = {"ms": {}, "logits": {}}
    for variant in VARIANTS:
        if time.time() > until:
            break
        exact = network(variant, device, size)
        x = images(BATCHES[0], device, size)
        with torch.inference_mode():
            with without_fused_gates():
                expected = exact(x).double()
            half = exact.to(dtype=torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for batch in BATCHES:
                given = x[:batch].to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
                with gates(variant):
                    logits = half(given).double()
                    found = result["ms"].setdefault(str(batch), {}).setdefault(variant, {})
                    found["eager"] = 1000 * seconds(lambda: half(given), 20)  # noqa: B023
                    if device == "cuda":
                        found["graph"] = 1000 * seconds(graphed(half, given), 20)
                error = (logits - expected[:batch]).abs().max() / expected[:batch].abs().max()
                result["logits"].setdefault(str(batch), {})[variant] = float(error)
    return result


def measure_compiled(variant: str, device: str, size: int, lock: Path, out: Path) -> None:
    """Milliseconds of the compiled network by batch, and the seconds that compiling took; written after each batch."""
    result: dict[str, Any] = {}
    half = network(variant, device, size)
    half.to(dtype=torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
    compiled = torch.compile(half, dynamic=False)
    for batch in BATCHES:
        x = images(batch, device, size).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), gates(variant):
            started = time.time()
            difference = float((compiled(x).double() - half(x).double()).norm() / half(x).double().norm())
            found = {"compile_s": time.time() - started, "against_eager": difference}
            with alone(lock):
                found["ms"] = 1000 * seconds(lambda: compiled(x), 20)  # noqa: B023
        result[str(batch)] = found
        out.write_text(json.dumps(result), "utf-8")


def main() -> None:
    """Measures one compiled variant."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", choices=VARIANTS, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    measure_compiled(options.variant, options.device, 64 if options.tiny else 224, options.lock, options.out)


if __name__ == "__main__":
    main()
