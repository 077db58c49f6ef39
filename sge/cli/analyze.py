"""``sge analyze`` and ``sge predict``: images in, records out."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sge.cli.console import messages
from sge.cli.inputs import Input, find, for_each
from sge.lens.lens import Lens
from sge.models.names import DEFAULT_MODEL
from sge.models.registry import load_model


class Format(StrEnum):
    """How a record is written."""

    JSON = "json"
    SAFETENSORS = "safetensors"
    NPZ = "npz"
    HTML = "html"
    PNG = "png"


class FramingChoice(StrEnum):
    """How an image becomes network input."""

    WHOLE = "whole"
    CENTER = "center"


Paths = Annotated[list[str], typer.Argument(help="Images, folders, or quoted globs.")]
ModelOption = Annotated[str, typer.Option("--model", help="A model's name or weights file.")]
FramingOption = Annotated[FramingChoice, typer.Option(help="All of the image, or its centre square.")]
TopK = Annotated[int, typer.Option(min=1, help="How many classes.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, ...")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]


def analyze(
    paths: Paths,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the records; made if it is not there.")
    ],
    format: Annotated[Format, typer.Option(help="What a record is.")] = Format.JSON,
    model: ModelOption = DEFAULT_MODEL,
    framing: FramingOption = FramingChoice.WHOLE,
    top_k: TopK = 5,
    device: DeviceOption = "auto",
    as_json: AsJson = False,
) -> None:
    """Write predictions and masks of every image: one record each, in folders as the images are."""
    inputs = find(paths)
    targets = _targets(inputs, out, format)
    lens = Lens(load_model(model), device)

    def work(one: Input) -> None:
        analysis = lens.analyze(one.path, framing.value, top_k)
        analysis.save(targets[one])
        best = analysis.predictions[0]
        if as_json:
            classes = [asdict(prediction) for prediction in analysis.predictions]
            typer.echo(
                json.dumps({"path": str(one.path), "record": str(targets[one]), "predictions": classes})
            )
        else:
            typer.echo(f"{one.path}\t{targets[one]}\t{best.label}\t{best.score:.3f}")

    for_each(inputs, work)
    messages.print(f"{len(inputs)} records in {out}", highlight=False)


def _targets(inputs: list[Input], out: Path, format: Format) -> dict[Input, Path]:
    """A file for each record; never one that is itself an image to look at, and never the same twice."""
    taken = {one.path.resolve() for one in inputs}
    targets = {}
    for one in inputs:
        stem, number = one.relative.with_suffix(""), 1
        target = out / f"{stem}.{format.value}"
        while target.resolve() in taken:
            number += 1
            target = out / f"{stem}-{number}.{format.value}"
        taken.add(target.resolve())
        targets[one] = target
    return targets


def predict(
    paths: Paths,
    model: ModelOption = DEFAULT_MODEL,
    framing: FramingOption = FramingChoice.WHOLE,
    top_k: TopK = 5,
    device: DeviceOption = "auto",
    as_json: AsJson = False,
) -> None:
    """Print the classes of every image, best first."""
    inputs = find(paths)
    lens = Lens(load_model(model), device)

    def work(one: Input) -> None:
        predictions = lens.analyze(one.path, framing.value, top_k).predictions
        if as_json:
            typer.echo(
                json.dumps({"path": str(one.path), "predictions": [asdict(each) for each in predictions]})
            )
            return
        typer.echo(one.path)
        for each in predictions:
            typer.echo(f"  {100 * each.score:5.1f} %  {each.label}")

    for_each(inputs, work)
