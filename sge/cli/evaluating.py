"""``sge eval``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track
from rich.table import Table

from sge.cli.consoles import messages, results
from sge.cli.look import DeviceOption, FramingChoice, FramingOption, ModelOption
from sge.evaluate import evaluate
from sge.lens import Lens
from sge.registry import DEFAULT_MODEL, load_model


def evaluate_folder(
    folder: Annotated[
        Path, typer.Argument(help="Holds one folder a class, named by WordNet id, label or number.")
    ],
    model: ModelOption = DEFAULT_MODEL,
    framing: FramingOption = FramingChoice.CENTER,
    device: DeviceOption = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure top-1 and top-5 over all classes of a model on labelled pictures."""
    lens = Lens(load_model(model), device)

    def progress(samples: list[tuple[Path, int]]) -> Iterable[tuple[Path, int]]:
        return track(
            samples,
            description="pictures",
            console=messages,
            transient=True,
            disable=not messages.is_terminal,
        )

    result = evaluate(lens, folder, framing.value, progress)
    if as_json:
        typer.echo(json.dumps({"model": model} | asdict(result)))
        return
    table = Table(title=f"{model}, {result.pictures} pictures, framing {result.framing}")
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_row("top-1 over all classes", f"{result.top1:.3f}")
    table.add_row("top-5 over all classes", f"{result.top5:.3f}")
    table.add_row("top-1 when only these folders' classes may win", f"{result.top1_among:.3f}")
    for name, value in result.per_class.items():
        table.add_row(f"top-1, {name}", f"{value:.3f}")
    results.print(table)
