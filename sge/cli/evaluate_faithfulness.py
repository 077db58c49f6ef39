"""``sge eval faithfulness``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

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
from sge.evaluation import Faithfulness, Protocol, measure_faithfulness, read_boxes
from sge.models import DEFAULT_MODEL
from sge.text import printable

COLUMNS = {
    "insertion": "insertion, higher is better",
    "deletion": "deletion, lower",
    "drop": "average drop, lower",
    "increase": "increase, higher",
    "pointing": "pointing game, higher",
}


def evaluate_faithfulness(
    sets: Annotated[
        list[Path],
        typer.Argument(metavar="SET...", help="Folders with any subfolders, .tar files, or images."),
    ],
    model: ModelOption = DEFAULT_MODEL,
    boxes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Pointing game: JSON of image name to left, top, right, bottom in pixels.",
        ),
    ] = None,
    block: Annotated[
        str | None, typer.Option(help="An SGE block; by default the one that a viewer opens with.")
    ] = None,
    framing: FramingOption = FramingChoice.CENTER,
    size: SizeOption = None,
    only: OnlyOption = None,
    limit: LimitOption = None,
    steps: Annotated[int, typer.Option(min=2, help="Steps of an insertion or deletion curve.")] = 10,
    curves: Annotated[
        bool, typer.Option("--curves/--no-curves", help="Without curves only the pointing game is measured.")
    ] = True,
    randomized: Annotated[
        int, typer.Option(min=0, help="Measure maps of random weights on so many of the images; 0: on none.")
    ] = 16,
    batch: Annotated[int, typer.Option(min=1, help="Inputs in a forward pass; changes the speed only.")] = 32,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl", help="Keep the figures of each image here, and continue from them."
        ),
    ] = None,
    skip_broken: SkipBrokenOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure how well masks, similarity and Grad-CAM show what the prediction depends on.

    Insertion and deletion curves from and to the blurred image, average drop, increase in confidence, and the pointing
    game where boxes are given, beside a random map, a map of the center, and maps of the same network with random
    weights.
    """
    known = None if boxes is None else read_boxes(boxes)
    result = measure_faithfulness(
        loaded_torch_model(model, finder=False),
        sets,
        Protocol(block, framing.value, size, steps if curves else None, seed, randomized),
        known,
        only=only,
        limit=limit,
        log=log,
        track=progress,
        batch=batch,
        device=device,
        skip_broken=True,
    )
    print_result(model, result, lambda: _table(model, result), as_json)


def _table(model: str, result: Faithfulness) -> Table:
    lines = [
        f"{model}, {result.block}, on {', '.join(result.sets)}: {result.images} images",
        f"framing {result.framing}, {result.size} px, seed {result.seed}; 95 % bootstrap intervals over images",
    ]
    if result.steps is not None:
        lines.append(
            f"curves of {result.steps} steps; probability of the predicted class {interval_text(result.full)}, "
            f"of the blurred image {interval_text(result.empty)}"
        )
    if result.chance is not None:
        lines.append(
            f"boxes cover {interval_text(result.chance)} of the input; {result.without_box} images have none"
        )
    measured = [name for name in COLUMNS if any(getattr(row, name) for row in result.methods)]
    table = Table("map", title=Text(printable("\n".join(lines), keep="\n")))
    for name in measured:
        table.add_column(COLUMNS[name], justify="right")
    table.add_column("images", justify="right")
    table.add_column("constant", justify="right")
    for row in result.methods:
        figures = (interval_text(getattr(row, name)) for name in measured)
        table.add_row(row.title, *figures, str(row.images), str(row.constant))
    return table
