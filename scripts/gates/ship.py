"""Makes the weights of the shipped ``sge_efficientnet_lite0_tuned`` of a run of gate tuning.

    python -m scripts.gates.ship gates-2.safetensors long

Then ``python -m scripts.gates.card gates-2.safetensors long`` measures it and writes its card and its figures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from scripts.gates.results import read_results
from sge.models import LITE0, TUNED_MODEL, Delta, as_changes, difference, pretrained_model, write_delta
from sge.paths import shipped


def write_run(results: Path, name: str, output: Path) -> dict[str, Any]:
    """Writes a run of a result file as a delta; what it learned of convolutions is stored in half precision.

    Returns:
        The run's settings and figures.

    Raises:
        KeyError: The file holds no such run.
    """
    start = pretrained_model(LITE0)
    assert start.delta is not None
    network = start.network(inactive=True)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    facts, learned = read_results(results, before)[name]
    network.load_state_dict(before | learned)
    changed = difference(network, before)
    state, changes = as_changes(changed, before, [key for key in changed if ".conv_" in key])
    write_delta(output, Delta(LITE0, start.published, start.delta.delta.permutations, state, {}, changes))
    return facts


def main(results: Path, name: str) -> None:
    """Replaces the shipped delta."""
    output = shipped("weights") / f"{TUNED_MODEL}.delta.safetensors"
    write_run(results, name, output)
    print(f"{output.name}: {output.stat().st_size} bytes")


if __name__ == "__main__":
    typer.run(main)
