"""``sge eval``."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sge.analysis import is_record
from sge.cli.console import emit, say
from sge.cli.measuring import OnlyOption, SizeOption, SkipBrokenOption, progress, say_account
from sge.cli.options import DeviceOption, FramingChoice, FramingOption, ModelOption, loaded_torch_model
from sge.cli.outputs import OverwriteOption, check_free
from sge.datasets import class_indices
from sge.errors import MissingPackageError
from sge.evaluation import Evaluation, evaluate, require_torchmetrics
from sge.models import DEFAULT_MODEL, required_labels
from sge.text import printable

SHOWN = 40
"""Number of classes in the table; if there are more, the worst are shown. JSON has all of them."""


class Precision(StrEnum):
    """Number format of the forward pass."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


Sets = Annotated[
    list[Path],
    typer.Argument(
        metavar="SET...",
        help="Folders that hold one folder per class, named by WordNet id, label or number; "
        "or .tar files with members CLASS/name.jpg.",
    ),
]


def evaluate_sets(
    sets: Sets,
    model: ModelOption = DEFAULT_MODEL,
    framing: FramingOption = FramingChoice.CENTER,
    size: SizeOption = None,
    only: OnlyOption = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Images of one shape in a forward pass; changes the speed only.")
    ] = 16,
    precision: Annotated[Precision, typer.Option(help="auto is float32.")] = Precision.AUTO,
    device: DeviceOption = "auto",
    confusion: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the confusion matrix.")
    ] = None,
    overwrite: OverwriteOption = False,
    skip_broken: SkipBrokenOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure a model on labelled images: top-1, top-5, calibration, confusion."""
    if confusion is not None:
        _check_target(confusion)
        check_free(confusion, is_record, overwrite)
        require_torchmetrics()
    loaded = loaded_torch_model(model, finder=False)
    result = evaluate(
        loaded,
        sets,
        framing.value,
        progress,
        only=only,
        size=size,
        batch=batch,
        device=device,
        precision=precision.value,
        skip_broken=True,
    )
    if as_json:
        emit(json.dumps({"model": model} | asdict(result)))
    else:
        emit(_table(model, result, required_labels(loaded)))
    _report(result)
    if confusion is not None and result.confusion is not None:
        from sge.evaluation import draw_confusion

        draw_confusion(result.confusion, confusion, _title(_short(model), result))
    if result.skipped:
        raise typer.Exit(1)


def _check_target(path: Path) -> None:
    """Checks the file of the plot before the images are evaluated, which may take hours."""
    folder = path.absolute().parent
    if path.suffix.lower() != ".png":
        reason = "its name does not end in .png"
    elif path.is_dir():
        reason = "it is a folder"
    elif not folder.is_dir():
        reason = f"there is no folder {folder}"
    elif not os.access(path if path.exists() else folder, os.W_OK):
        reason = "no permission"
    else:
        return
    raise typer.BadParameter(f"{path} cannot be written: {reason}.", param_hint="--confusion")


def _protocol(result: Evaluation) -> str:
    return f"framing {result.framing}, {result.size} px, {result.precision}"


def _short(model: str) -> str:
    """The last two components of a path: the plot may be published, and the others say where a file is on this machine."""
    return "/".join(Path(model).parts[-2:])


def _title(model: str, result: Evaluation) -> str:
    return f"{model}: top-1 {result.top1:.3f} of {result.images} images\n{_protocol(result)}"


def _table(model: str, result: Evaluation, labels: list[str]) -> Table:
    only = f", only {result.only!r}" if result.only is not None else ""
    skipped = f", {result.skipped} skipped as broken" if result.skipped else ""
    sets = ", ".join(result.sets)
    title = f"{model} on {sets}{only}: {result.images} images{skipped}\n{_protocol(result)}"
    table = Table("measure", title=Text(printable(title, keep="\n")))
    table.add_column("value", justify="right")
    table.add_row("top-1 over all classes", f"{result.top1:.3f}")
    table.add_row("top-5 over all classes", f"{result.top5:.3f}")
    table.add_row("top-1 when only these folders' classes may win", f"{result.top1_among:.3f}")
    ece = "not measured" if result.ece is None else f"{result.ece:.3f}"
    table.add_row("expected calibration error, 15 bins", ece)
    if result.skipped:
        table.add_row("skipped, broken images", str(result.skipped))
    table.add_section()
    shown = list(result.per_class.items())
    if len(shown) > SHOWN:
        shown = sorted(shown, key=lambda item: item[1])[:SHOWN]
        table.add_row(f"the {SHOWN} worst of {len(result.per_class)} classes; --json has all:", "")
    classes = class_indices([name for name, _ in shown], labels)
    for name, value in shown:
        label = labels[classes[name]]
        table.add_row(
            Text(printable(f"top-1, {name}" + (f" {label}" if label != name else ""))), f"{value:.3f}"
        )
    return table


def _report(result: Evaluation) -> None:
    """Lists on stderr what the figures leave out."""
    if result.ece is None:
        try:
            require_torchmetrics()
        except MissingPackageError as error:
            say(f"Left out: {error}")
    if result.empty:
        say(f"No image was measured of, and so not counted: {', '.join(result.empty)}")
    say_account(result)
