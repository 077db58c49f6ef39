"""What outputs and edits of an exported file cost in ONNX Runtime: CPU time of a pass as ratios within one run.

    python -m scripts.measure.onnx_sessions [MODEL] [ROUNDS]

Each session has other outputs; of all but the last column the logits alone are fetched, so that the figures show what the
other outputs cost by being there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import onnxruntime

import sge
from sge.models import DEFAULT_MODEL, exported_file, load_torch_model, reduced

SHAPES = ((1, 3, 224, 224), (1, 3, 320, 416), (8, 3, 224, 224))


def main(model: str = DEFAULT_MODEL, rounds: str = "20") -> None:
    """Prints one line for each input: milliseconds of the logits alone, then ratios to it."""
    exported = exported_file(load_torch_model(model))
    names = [block.name for block in exported.blocks]
    maps = ["logits", *(kind + name for kind in ("mask/", "similarity/") for name in names)]
    opening = sge.Lens(exported).analyze(sge.decode("static/samples/shepherd.jpg")).default_block
    energies = [f"energy/{name}" for name in names]
    sessions = {
        "logits": session(reduced(exported.path, ["logits"], False)),
        "logits, edits": session(reduced(exported.path, ["logits"], True)),
        "maps": session(reduced(exported.path, maps, False)),
        "maps, one energy": session(reduced(exported.path, [*maps, f"energy/{opening}"], False)),
        "maps, energies": session(reduced(exported.path, maps + energies, False)),
    }
    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True
    print("input", *sessions, "maps, all fetched", sep="\t")
    for shape in SHAPES:
        feed = {"image": np.random.default_rng(0).standard_normal(shape).astype(np.float32)}
        passes: dict[str, Callable[[], object]] = {
            name: partial(one.run, ["logits"], feed, options) for name, one in sessions.items()
        }
        passes["maps, all fetched"] = partial(sessions["maps"].run, maps, feed, options)
        medians = measured(passes, int(rounds))
        first, *others = medians.values()
        print(
            "x".join(map(str, shape)), f"{first:.1f} ms", *(f"{one / first:.2f}" for one in others), sep="\t"
        )


def session(content: bytes) -> onnxruntime.InferenceSession:
    """A session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def measured(passes: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU time of each, in milliseconds; they alternate, and the first round does not count."""
    times: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(rounds + 1):
        for name, work in passes.items():
            started = time.process_time()
            work()
            times[name].append(1e3 * (time.process_time() - started))
    return {name: float(np.median(one[1:])) for name, one in times.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
