"""``sge eval gates``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sge.cli.evaluate import Sets
from sge.cli.measuring import (
    LimitOption,
    OnlyOption,
    SeedOption,
    SizeOption,
    SkipBrokenOption,
    interval_text,
    print_result,
    progress,
)
from sge.cli.options import DeviceOption, FramingChoice, FramingOption, ModelOption, loaded_torch_model
from sge.evaluation import GateAccuracy, measure_gates
from sge.models import DEFAULT_MODEL
from sge.text import printable


def evaluate_gates(
    sets: Sets,
    model: ModelOption = DEFAULT_MODEL,
    framing: FramingOption = FramingChoice.CENTER,
    size: SizeOption = None,
    only: OnlyOption = None,
    limit: LimitOption = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Images of one shape in a forward pass; changes the speed only.")
    ] = 16,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    skip_broken: SkipBrokenOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure top-1 with each block's masks flat, and with all of them flat.

    A flat mask is the mask's mean over space. The difference is what the positions that the gates choose contribute.
    """
    result = measure_gates(
        loaded_torch_model(model, finder=False),
        sets,
        framing.value,
        progress,
        only=only,
        limit=limit,
        size=size,
        batch=batch,
        device=device,
        seed=seed,
        skip_broken=True,
    )
    print_result(model, result, lambda: _table(model, result), as_json)


def _table(model: str, result: GateAccuracy) -> Table:
    title = (
        f"{model} on {', '.join(result.sets)}: {result.images} images, top-1 {interval_text(result.top1)}\n"
        f"framing {result.framing}, {result.size} px; 95 % bootstrap intervals over images"
    )
    table = Table("flat masks in", title=Text(printable(title, keep="\n")))
    for column in ("groups", "mask std", "top-1", "change of top-1", "predictions changed"):
        table.add_column(column, justify="right")
    for row in result.blocks:
        table.add_row(
            row.block,
            str(row.groups),
            f"{row.mask_std:.3f}",
            f"{row.top1:.3f}",
            interval_text(row.difference, sign=True),
            f"{row.changed:.3f}",
        )
    return table
