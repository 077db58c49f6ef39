"""Measures OpenVINO beside ONNX Runtime on one exported file: CPU seconds of a pass, with logits alone and with all maps.

Run as ``python -m scripts.measure.openvino_engine FILE.onnx``; it needs the package openvino. All use one thread and take
turns within one run; the figures are medians, and the ratios are to ONNX Runtime. OpenVINO computes in float32 and, where
the processor has it, in bfloat16; the difference is that of the logits, relative to the largest.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np

from sge.arrays import Array
from sge.errors import ChoiceError
from sge.lens.backends.onnx_runtime import OnnxRuntime
from sge.lens.backends.openvino_runtime import OpenVino
from sge.lens.backends.runtimes import Program, Runtime
from sge.models import reduced

SHAPES = ((1, 224, 224), (8, 224, 224), (1, 320, 416))
"""Rows, height and width. The sides of framed photos are multiples of 32: 320 x 427 becomes 320 x 416."""
ROUNDS = 15


def main(file: Path) -> None:
    """Prints one line for each shape and choice of outputs."""
    import onnx

    names = [one.name for one in onnx.load(file, load_external_data=False).graph.output]
    for title, outputs in (("logits", ["logits"]), ("all maps", names)):
        content = reduced(file, outputs, edits=False)
        programs = {told(one): one.program(content) for one in runtimes()}
        for rows, height, width in SHAPES:
            image = np.random.default_rng(0).standard_normal((rows, 3, height, width)).astype(np.float32)
            seconds, logits = measured(programs, outputs, image)
            first = next(iter(programs))
            line = [f"{first} {1000 * seconds[first]:.1f} ms"]
            for name in list(programs)[1:]:
                off = np.abs(logits[name] - logits[first]).max() / np.abs(logits[first]).max()
                line.append(f"{name} ratio {seconds[name] / seconds[first]:.2f}, difference {off:.1e}")
            print(f"{rows} x {height} x {width}, {title}: {'; '.join(line)}")


def runtimes() -> list[Runtime]:
    """ONNX Runtime, and OpenVINO in each precision that this processor has."""
    found: list[Runtime] = [OnnxRuntime(), OpenVino()]
    short = OpenVino(precision="bfloat16")
    try:
        short.check()
    except ChoiceError as error:
        print(error)
        return found
    return [*found, short]


def told(runtime: Runtime) -> str:
    """Name and precision of a runtime."""
    return f"{runtime.name} {runtime.precision}"


def measured(
    programs: dict[str, Program], outputs: list[str], image: Array
) -> tuple[dict[str, float], dict[str, Array]]:
    """Median CPU seconds of each program, which take turns, and its logits."""
    seconds = {name: list[float]() for name in programs}
    logits: dict[str, Array] = {}
    for turn in range(ROUNDS + 2):
        for name, program in programs.items():
            started = time.process_time()
            found = program.run(outputs, {"image": image}, False)
            if turn > 1:  # the first ones also allocate memory
                seconds[name].append(time.process_time() - started)
            logits[name] = found[outputs.index("logits")]
    return {name: statistics.median(times) for name, times in seconds.items()}, logits


if __name__ == "__main__":
    main(Path(sys.argv[1]))
