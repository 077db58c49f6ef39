"""Measures runs of gate tuning, on the sets that runs are chosen by and on those that figures are stated on.

    python -m scripts.gates.measure OUT.json gates-1.safetensors gates-2.safetensors [--only NAME ...]
        [--mean long=2,middle=1]

OUT.json maps the name of each run to its settings and figures; runs that it has are kept. ``--mean`` also measures the
weighted mean of some runs' tensors. Reads ../shared/data (or SGE_SHARED). About a minute of CPU time a run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from scripts.common import decoded
from scripts.gates.results import read_results
from scripts.gates.sets import choosing_sets, stated_sets
from scripts.measure.gate_effect import GateEffect, compute_logits, evaluation_inputs, gate_effect
from sge.files import write_atomically
from sge.models import LITE0, LITE0_PREPROCESS, pretrained_model

State = dict[str, Tensor]
Run = tuple[dict[str, Any], State]
"""Settings and figures of the program that trained it, and the tensors that differ from the start."""


def weighted_mean(runs: dict[str, Run], spec: str) -> Run:
    """The mean of some runs' tensors.

    Args:
        runs: By name.
        spec: ``NAME=WEIGHT,NAME=WEIGHT``; a weight of 1 may be left out.

    Raises:
        KeyError: There is no such run.
        ValueError: The runs learned different tensors.
    """
    weights = {
        name: float(weight or 1) for name, _, weight in (part.partition("=") for part in spec.split(","))
    }
    states = {name: runs[name][1] for name in weights}
    first, *others = states.values()
    if any(state.keys() != first.keys() for state in others):
        raise ValueError(f"{spec}: the runs learned different tensors.")
    total = sum(weights.values())
    mean = {
        key: torch.stack([states[name][key] * (weight / total) for name, weight in weights.items()]).sum(0)
        for key in first
    }
    return {"mean": spec}, mean


class Sets:
    """The four sets as inputs, with the logits of the network with inactive gates."""

    def __init__(self) -> None:
        self.start = pretrained_model(LITE0)
        self.network = self.start.network(inactive=True).to(memory_format=torch.channels_last)
        self.base = {key: value.clone() for key, value in self.network.state_dict().items()}
        sets = {f"choosing {name}": images for name, images in choosing_sets().items()}
        sets |= {f"test {name}": images for name, images in stated_sets().items()}
        self.inputs = {
            name: evaluation_inputs(LITE0_PREPROCESS, decoded(images.files)) for name, images in sets.items()
        }
        self.classes = {name: images.classes for name, images in sets.items()}
        self.theirs = {name: compute_logits(self.network, inputs) for name, inputs in self.inputs.items()}

    def measure(self, state: State) -> dict[str, GateEffect]:
        """The effect of gates with the given tensors on each set."""
        self.network.load_state_dict(self.base | state)
        return {
            name: gate_effect(self.network, self.theirs[name], inputs, self.classes[name])
            for name, inputs in self.inputs.items()
        }


def main(
    out: Path,
    files: list[Path],
    only: Annotated[list[str] | None, typer.Option(help="Measure these runs and means alone.")] = None,
    mean: Annotated[list[str] | None, typer.Option(help="NAME=WEIGHT,NAME=WEIGHT")] = None,
) -> None:
    """Measures each run, and adds it to the file at once."""
    torch.set_num_threads(1)
    record: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.exists() else {}
    sets = Sets()
    runs: dict[str, Run] = {}
    for path in files:
        runs |= read_results(path, sets.base)
    runs |= {f"mean {spec}": weighted_mean(runs, spec) for spec in mean or ()}
    for name, (facts, state) in runs.items():
        if name in record or (only and name not in only and not name.startswith("mean ")):
            continue
        effects = sets.measure(state)
        record[name] = {"run": facts, "measured": {key: effect.to_dict() for key, effect in effects.items()}}
        write_atomically(out, (json.dumps(record, indent=1) + "\n").encode())
        brief = ", ".join(f"{key} {effect.agreement:.3f}" for key, effect in effects.items())
        print(f"{name}: agreement {brief}; {effects['choosing dogs'].acting} acting blocks", flush=True)


if __name__ == "__main__":
    typer.run(main)
