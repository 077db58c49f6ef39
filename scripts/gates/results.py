"""Result files of gate tunings.

A file ``gates-FILE.safetensors`` holds several runs. Of a gate or batch norm it holds the tensor, as ``NAME/KEY``; of a
convolution the difference from the network with inactive gates, as ``NAME/change/KEY`` in float16, or in int8 with
``NAME/scale/KEY`` for each output channel. The metadata ``runs`` tell each run's settings and figures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from scripts.gates.config import BEST, GateRun, make_run

CHANGE, SCALE = "change/", "scale/"


class Results:
    """The finished runs and their files.

    Args:
        folder: Where the files are written.
        start: The network with inactive gates.
    """

    def __init__(self, folder: Path, start: dict[str, Tensor]) -> None:
        self.folder, self.start = folder, start
        self.finished: dict[str, tuple[GateRun, dict[str, Tensor], dict[str, Any]]] = {}

    def put(self, run: GateRun, learned: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Adds a run, or replaces it, and writes its file whole or not at all."""
        if not all(bool(value.isfinite().all()) for value in learned.values()):
            raise ArithmeticError(f"{run.name}: a tensor is not finite.")
        self.finished[run.name] = run, {k: v.detach().clone() for k, v in learned.items()}, facts
        if not run.file:
            return
        tensors: dict[str, Tensor] = {}
        about = {}
        for name, (other, values, told) in self.finished.items():
            if other.file == run.file:
                about[name] = told | {"settings": other.to_dict()}
                for key, value in values.items():
                    tensors |= self._stored(other, key, value)
        path = self.folder / f"gates-{run.file}.safetensors"
        save_file(tensors, path.with_suffix(".part"), {"runs": json.dumps(about)})
        os.replace(path.with_suffix(".part"), path)

    def _stored(self, run: GateRun, key: str, value: Tensor) -> dict[str, Tensor]:
        if ".conv_" not in key:
            return {f"{run.name}/{key}": value.cpu().contiguous()}
        change = (value - self.start[key]).cpu().contiguous()
        if not run.compact:
            return {f"{run.name}/{CHANGE}{key}": change.half()}
        scale = change.abs().amax((1, 2, 3)).clamp(min=1e-12) / 127
        rounded = (change / scale.view(-1, 1, 1, 1)).round().to(torch.int8)
        return {f"{run.name}/{CHANGE}{key}": rounded, f"{run.name}/{SCALE}{key}": scale}

    def add(self, path: Path) -> None:
        """Adds the runs of a result file, which later runs can begin with."""
        for name, (facts, state) in read_results(path, self.start).items():
            settings = make_run(facts.pop("settings"), None)
            self.finished[name] = replace(settings, file=0), state, facts

    def base(self, name: str | None) -> tuple[GateRun, dict[str, Tensor]] | None:
        """Settings and tensors of a finished run."""
        if name is None or not self.finished:
            return None
        if name == BEST or name not in self.finished:
            name = max(
                self.finished, key=lambda one: float(self.finished[one][2].get("figures", {}).get("score", 0))
            )
        return self.finished[name][:2]


def read_results(
    path: Path, start: Mapping[str, Tensor]
) -> dict[str, tuple[dict[str, Any], dict[str, Tensor]]]:
    """The runs of a result file.

    Args:
        path: The file.
        start: State of the network with inactive gates.

    Returns:
        Name to settings and figures, and to the tensors that differ from the start, float32.
    """
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["runs"])
        stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    found: dict[str, tuple[dict[str, Any], dict[str, Tensor]]] = {}
    for name, facts in about.items():
        state = {}
        for key, value in stored.items():
            owner, _, rest = key.partition("/")
            if owner != name or rest.startswith(SCALE):
                continue
            if rest.startswith(CHANGE):
                rest = rest.removeprefix(CHANGE)
                scale = stored.get(f"{name}/{SCALE}{rest}")
                change = value.float() if scale is None else value.float() * scale.view(-1, 1, 1, 1)
                value = start[rest] + change
            state[rest] = value.float()
        found[name] = facts, state
    return found
