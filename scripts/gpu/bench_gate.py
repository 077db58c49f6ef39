"""Checks and times the kernel of the SGE module on a GPU, in one minute.

``python -m scripts.gpu.bench_gate --seconds 58 --out $OUT/bench_gate.json``. Twelve processes check the kernel
(``gate_cases.py``), three compile the whole network (``gate_network.py``), and this one times what is left alone. Exit
code 1 means that a comparison failed, 0 that all that were made passed; how many the time allowed is printed.

Expected, before the first run (H100: 3.0 TB/s for a copy, counting bytes read and written; bfloat16; E elements):

* The kernel reads x and writes the output, 4 E bytes; with its gradient it moves 4 E + 6 E. It needs about 8 operations
  for each element forward and 20 backward, 30 times less than the float32 units can do in that time: the bytes are the
  floor. The tile of a group stays on the chip for all maps of ResNet-50 at 224 px in NCHW (12,544 numbers at most); in
  channels_last the first stage is read three times, twice of these from the L2 cache (about twice as fast as memory).
* Stage 1 with batch 256: E = 205.5 M, floor 0.274 ms forward and 0.685 ms with the gradient; each later stage half of the
  one before; batch 32 an eighth. Expected: 0.75 to 0.9 of the copy's rate for resident tiles with batch 256, 0.55 to 0.7
  for looped ones, half of that where a launch moves less than 10 MB.
* Eager moves 18 E bytes in NCHW (conversion 2 + 4, mean 4, product 4, multiplication 4) and 26 E in channels_last (the
  product is stored): the kernel should be 3 to 4 times as fast in NCHW and 4 to 6 times in channels_last.
* Lite0 at 320 x 416 with batch 1: E is at most 1.6 M (3 MB), so that launches decide: eager about 13 launches of 4 us,
  fused one of about 20 us on the host and 6 to 10 us on the GPU.
* SGE-ResNet-50: E = 5.5 M for an image over its 16 modules. Batch 64: 0.47 ms (fused) and 3 ms (eager) on top of about
  12 ms plain: ratios 1.05 and 1.25. Batch 1: eager adds about 210 launches (1 ms or more on 5 ms), fused 16 (0.4 ms); as
  a CUDA graph fused adds 16 x 6 us = 0.1 ms to about 1 ms. Logits in bfloat16 within 5e-2 of float32, with
  the kernel no farther than with the eager module.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from scripts.gpu.gate_cases import cases
from scripts.gpu.gate_network import VARIANTS, alone, measure
from scripts.gpu.gate_report import failures, lines
from scripts.gpu.gate_timing import TASKS, copy_rate, time_case, timed_cases

Report = dict[str, Any]
CHECKERS = 12
ROOT = Path(__file__).resolve().parents[2]


def process_start() -> float:
    """When this process started, before its imports; seconds since the epoch."""
    try:
        ticks = int(Path("/proc/self/stat").read_text("utf-8").rsplit(")", 1)[1].split()[19])
        up = float(Path("/proc/uptime").read_text("utf-8").split()[0])
    except (OSError, ValueError, IndexError):
        return time.time()
    age = up - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - (age if 0 <= age < 60 else 0)


class Bench:
    """The phases of the program with their processes, folder and clock."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder, self.began = options, folder, process_start()
        name = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        self.report: Report = {"torch": torch.__version__, "device": name}
        self.lock = folder / "lock"
        half = str(self.began + 0.5 * options.seconds)
        parts = CHECKERS if options.device == "cuda" else 1
        self.checkers = [
            self._start(f"check{i}", "gate_cases", "--part", str(i), "--parts", str(parts), "--until", half)
            for i in range(parts)
        ]
        lock = ("--lock", str(self.lock))
        self.others = [self._start(task, "gate_timing", "--task", task, *lock) for task in options.tasks]
        self.others += [
            self._start(variant, "gate_network", "--variant", variant, *lock) for variant in options.compile
        ]

    def _start(self, name: str, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Another process of this program, on one thread; it writes NAME.json and NAME.log."""
        command = [sys.executable, "-m", f"scripts.gpu.{module}", *arguments]
        command += ["--device", self.options.device, "--out", str(self.folder / f"{name}.json")]
        command += ["--tiny"] if self.options.tiny else []
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "4"}
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def left(self) -> float:
        """Seconds that are left."""
        return float(self.began + self.options.seconds - time.time())

    def phase(self, name: str, value: Any) -> None:
        """Keeps a result and says when."""
        self.report[name] = value
        part = self.options.out.with_suffix(".part")
        part.write_text(json.dumps(self.report, indent=1), "utf-8")
        part.replace(self.options.out)
        print(f"{time.time() - self.began:5.1f} s  {name}", flush=True)

    def read(self, name: str) -> Any:
        """What a process has written; the end of its log if it has written nothing."""
        try:
            return json.loads((self.folder / f"{name}.json").read_text("utf-8"))
        except (OSError, ValueError):
            log = (self.folder / f"{name}.log").read_text("utf-8", "replace").strip()
            print(f"{name} has no result. {log[-1000:]}", flush=True)
            return None

    def wait(self, processes: list[subprocess.Popen[bytes]], until: float) -> None:
        """Waits for processes and ends those that are late."""
        for process in processes:
            try:
                process.wait(max(0.1, until - time.time()))
            except subprocess.TimeoutExpired:
                process.kill()

    def run(self) -> None:
        """All phases; each is given what is left."""
        device, tiny, share = self.options.device, self.options.tiny, self.options.seconds
        with alone(self.lock):  # The other processes compile now and measure afterwards.
            self.wait(self.checkers, self.began + 0.5 * share + 3)
            found = [result for i in range(len(self.checkers)) for result in self.read(f"check{i}") or []]
            self.phase("checks", {"wanted": len(cases(tiny)), "results": found})
            self.phase("copy_gbs", copy_rate(device))
            rows: list[Report] = []
            for case in timed_cases(tiny):
                if self.left() > 0.3 * share:
                    rows.append(time_case(case, device))
            self.phase("times", rows)
            if self.options.network:
                self.phase("network", measure(device, 64 if tiny else 224, time.time() + self.left() - 10))
        self.wait(self.others, self.began + share - 1)
        self.phase("compiled_network", {variant: self.read(variant) for variant in self.options.compile})
        self.phase("tasks", {task: self.read(task) for task in self.options.tasks})

    def close(self) -> None:
        """Ends what still runs."""
        for process in (*self.checkers, *self.others):
            if process.poll() is None:
                process.kill()


def main() -> int:
    """Runs all phases, prints the tables and returns the exit code."""
    parser = argparse.ArgumentParser(description="Checks and times the kernel of the SGE module.")
    parser.add_argument("--seconds", type=float, default=58)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a few small shapes, for a run on the CPU")
    parser.add_argument("--compile", nargs="*", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=TASKS)
    parser.add_argument("--no-network", dest="network", action="store_false")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        try:
            bench.run()
        finally:
            bench.close()
    print("\n".join(lines(bench.report)))
    return 1 if failures(bench.report) else 0


if __name__ == "__main__":
    sys.exit(main())
