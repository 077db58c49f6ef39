"""Measures OpenVINO beside ONNX Runtime on one exported file: CPU seconds of a pass, with logits alone and with all maps.

Run as ``python -m scripts.measure.openvino_engine FILE.onnx``; it needs the package openvino. Both use one thread and take
turns within one run; the figures are medians, and the ratio is OpenVINO's to ONNX Runtime's.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sge.models import reduced
from sge.models.onnx_trial import Session

SHAPES = ((1, 224, 224), (8, 224, 224), (1, 320, 416))
"""Rows, height and width. The sides of framed photos are multiples of 32: 320 x 427 becomes 320 x 416."""
ROUNDS = 15


def main(file: Path) -> None:
    """Prints one line for each shape and choice of outputs."""
    import onnx
    import openvino

    names = [one.name for one in onnx.load(file, load_external_data=False).graph.output]
    for title, outputs in (("logits", ["logits"]), ("all maps", names)):
        content = reduced(file, outputs, edits=False)
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(content), "CPU", {"INFERENCE_NUM_THREADS": 1})
        session = Session(content, file.name)
        for rows, height, width in SHAPES:
            image = np.random.default_rng(0).standard_normal((rows, 3, height, width)).astype(np.float32)
            runs: dict[str, Callable[[], Any]] = {
                "onnxruntime": partial(session.run, image),
                "openvino": partial(compiled, [image]),
            }
            seconds = {name: list[float]() for name in runs}
            for turn in range(ROUNDS + 2):
                for name, run in runs.items():
                    started = time.process_time()
                    run()
                    if turn > 1:  # the first ones also allocate memory
                        seconds[name].append(time.process_time() - started)
            medians = {name: statistics.median(times) for name, times in seconds.items()}
            told = ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in medians.items())
            print(
                f"{rows} x {height} x {width}, {title}: {told}, ratio {medians['openvino'] / medians['onnxruntime']:.2f}"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
