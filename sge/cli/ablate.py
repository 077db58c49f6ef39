"""``sge ablate``: what the answer becomes without some groups, beside what random groups do."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sge.analysis import ClassEffect, Groups, ablation_report, choose_groups, class_effects
from sge.cli.console import emit
from sge.cli.inputs import Input, find, for_each
from sge.cli.options import (
    AsJson,
    BackendOption,
    DeviceOption,
    FramingChoice,
    FramingOption,
    ModelOption,
    Paths,
    TopK,
    class_index,
    loaded_model,
)
from sge.errors import SGEError
from sge.lens import Lens
from sge.models import DEFAULT_MODEL
from sge.text import printable


class Mode(StrEnum):
    """What happens to the chosen groups."""

    MEAN = "mean"
    ZERO = "zero"
    ONLY = "only"


GroupsOption = Annotated[
    str,
    typer.Option(
        metavar="GROUPS",
        help="BLOCK:NUMBERS separated by semicolons, such as 'blocks.5.0:20,36;blocks.4.2:0-7'. A block alone stands "
        "for all of its groups, and all for every group.",
    ),
]
ModeOption = Annotated[
    Mode,
    typer.Option(
        help="mean: flatten the groups' masks; zero: remove the groups; only: remove the other groups of their blocks."
    ),
]
Controls = Annotated[int, typer.Option(min=0, help="Draws of equally many random groups.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the draws.")]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="CLASS", help="A further class, by label or index; may be repeated."),
]


def ablate(
    paths: Paths,
    groups: GroupsOption,
    mode: ModeOption = Mode.MEAN,
    controls: Controls = 10,
    seed: Seed = 0,
    target: Targets = None,
    model: ModelOption = DEFAULT_MODEL,
    framing: FramingOption = FramingChoice.WHOLE,
    top_k: TopK = 5,
    device: DeviceOption = "auto",
    backend: BackendOption = "auto",
    as_json: AsJson = False,
) -> None:
    """Print the classes of every image before and after groups are ablated, and with random groups in their place."""
    inputs = find(paths)
    lens = Lens(loaded_model(model), device, backend=backend)
    chosen = _groups(lens, groups)
    targets = [class_index(lens, name) for name in target or ()]

    def ablate_one(image: Input) -> None:
        ablation = lens.ablate(image.decode(), chosen, mode.value, controls, framing=framing.value, seed=seed)
        if as_json:
            record = {"path": str(image.path)} | ablation_report(ablation, targets, top_k)
            emit(json.dumps(record))
        else:
            title = printable(f"{image.path}: {mode.value} {groups}")
            emit(_table(title, class_effects(ablation, targets, top_k), controls))

    for_each(inputs, ablate_one)


def _groups(lens: Lens, text: str) -> Groups:
    try:
        return choose_groups(text, lens.groups)
    except SGEError as error:
        raise typer.BadParameter(str(error), param_hint="--groups") from error


def _table(title: str, effects: list[ClassEffect], controls: int) -> Table:
    table = Table("class", title=Text(title))
    for column in ("before", "after", "change", *([f"{controls} x random"] if controls else [])):
        table.add_column(column, justify="right")
    for effect in effects:
        cells = [_percent(effect.before), _percent(effect.after), f"{100 * effect.change:+.1f}"]
        if (random := effect.controls) is not None:
            cells.append(f"{100 * random.lo:.1f} .. {_percent(random.hi)}")
        table.add_row(Text(printable(effect.label)), *cells)
    return table


def _percent(probability: float) -> str:
    return f"{100 * probability:.1f} %"
