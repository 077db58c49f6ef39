"""The ceiling: bytes to logits (or to every map) without HTTP, on all threads that the servers may use.

One process for each thread decodes, frames and computes one image after the other, with one thread. On CPUs nothing
is faster than that: batches gain nothing there, and threads inside of one pass wait for each other.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sge.images import Preprocess, decode, frame

_STATE: dict[str, Any] = {}
"""Of a worker process: its images, preprocessing and networks."""


@dataclass(frozen=True)
class Ceiling:
    """Result of one run."""

    rate: float
    """Images a second, of all processes together."""
    latency: float
    """Median seconds of one image."""
    cpu_seconds: float
    """CPU seconds of one image, mean."""


class CeilingWorkers:
    """Worker processes that wait until they are asked.

    Args:
        networks: Name to a file, as ``Path`` for ONNX Runtime, or to a model's name for torch.
        images: JPEG bytes.
        preprocess: Input of the network.
        framing: As ``sge.images.frame`` takes it.
        threads: Number of processes.
    """

    def __init__(
        self,
        networks: dict[str, Path | str],
        images: Sequence[bytes],
        preprocess: Preprocess,
        framing: str,
        threads: int,
    ) -> None:
        self.threads = threads
        self._pool = ProcessPoolExecutor(
            threads,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_prepare,
            initargs=(networks, list(images), preprocess, framing),
        )

    def run(self, network: str, clients: int, seconds: float) -> Ceiling:
        """Computes images for a time.

        Args:
            network: One of ``networks``.
            clients: As many processes take part, at most one for each thread.
            seconds: How long each works.
        """
        used = min(clients, self.threads)
        # A task that waits keeps its process, so that each process gets one of them.
        results = list(self._pool.map(_work, [network] * used, [seconds] * used))
        times = [one for result in results for one in result[0]]
        rate = sum(len(result[0]) / result[1] for result in results)
        return Ceiling(rate, median(times), sum(result[2] for result in results) / len(times))

    def close(self) -> None:
        """Ends the processes."""
        self._pool.shutdown()


def _prepare(
    networks: dict[str, Path | str], images: list[bytes], preprocess: Preprocess, framing: str
) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    runs = {
        name: onnx_run(file) if isinstance(file, Path) else _torch_run(file, name.startswith("analyze"))
        for name, file in networks.items()
    }
    _STATE.update(images=images, preprocess=preprocess, framing=framing, runs=runs)


def onnx_run(file: Path) -> Callable[[Any], Any]:
    """Batches (n, 3, h, w) float32 to every output of an exported network, with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {"image": batch})


def _torch_run(name: str, maps: bool) -> Callable[[Any], Any]:
    """Batches (n, 3, h, w) float32 to logits, and to every mask and similarity if ``maps``, with one thread."""
    import torch

    from sge.models import load_model
    from sge.nn import MaskCapture

    torch.set_num_threads(1)
    model: Any = load_model(name)
    network = model.network.eval()

    def run(batch: Any) -> Any:
        with torch.inference_mode():
            if not maps:
                return network(torch.from_numpy(batch))
            with MaskCapture(network) as seen:
                logits = network(torch.from_numpy(batch))
            return logits, seen.masks, seen.similarity

    return run


def _work(network: str, seconds: float) -> tuple[list[float], float, float]:
    """Seconds of each image, of all, and of the CPU."""
    run, images = _STATE["runs"][network], _STATE["images"]
    times: list[float] = []
    started, cpu = time.perf_counter(), time.process_time()
    offset = os.getpid()  # Processes do not work on the same image at the same time.
    while (begun := time.perf_counter()) < started + seconds:
        image = images[(offset + len(times)) % len(images)]
        run(frame(decode(image), _STATE["preprocess"], _STATE["framing"]).array[None])
        times.append(time.perf_counter() - begun)
    return times, time.perf_counter() - started, time.process_time() - cpu
