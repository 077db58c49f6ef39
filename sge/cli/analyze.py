"""``sge analyze`` and ``sge predict``: one record, or one list of classes, for each image."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sge.analysis import Fit
from sge.cli.console import messages
from sge.cli.inputs import Input, find, for_each
from sge.cli.options import (
    AsJson,
    DeviceOption,
    FramingChoice,
    FramingOption,
    ModelOption,
    Paths,
    TopK,
    class_index,
)
from sge.lens import Lens
from sge.models import DEFAULT_MODEL, load_model

PREDICTED = "predicted"
"""The ``--target`` that stands for the predicted class of each image."""


class Format(StrEnum):
    """File format of a record."""

    JSON = "json"
    SAFETENSORS = "safetensors"
    NPZ = "npz"
    HTML = "html"
    PNG = "png"


def analyze(
    paths: Paths,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the records; created if missing.")],
    format: Annotated[Format, typer.Option(help="File format of the records.")] = Format.JSON,
    model: ModelOption = DEFAULT_MODEL,
    framing: FramingOption = FramingChoice.WHOLE,
    top_k: TopK = 5,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="Keep the effect of every group on this class in the records: its label or index, or predicted.",
        ),
    ] = None,
    device: DeviceOption = "auto",
    as_json: AsJson = False,
) -> None:
    """Write predictions and masks of every image: one record an image, in the same subfolders as the images."""
    inputs = find(paths)
    files = _files(inputs, out, format)
    lens = Lens(load_model(model), device)
    index = None if target in (None, PREDICTED) else class_index(lens, str(target))

    def analyze_one(image: Input) -> None:
        frame = lens.frame(image.path, framing.value)
        (analysis,) = lens.analyze_frames([frame], top_k)
        if target is not None:
            analysis = replace(analysis, attribution=lens.attribute_frame(frame, index))
        file = files[image]
        analysis.save(file)
        best = analysis.predictions[0]
        if as_json:
            classes = [asdict(prediction) for prediction in analysis.predictions]
            facts = {"path": str(image.path), "record": str(file)}
            typer.echo(json.dumps(facts | {"predictions": classes, "fit": _fit_facts(analysis.fit)}))
        else:
            columns = [str(image.path), str(file), best.label, f"{best.score:.3f}", _none_fits(analysis.fit)]
            typer.echo("	".join(columns).rstrip("	"))

    for_each(inputs, analyze_one)
    messages.print(f"{len(inputs)} records in {out}", highlight=False)


def _files(inputs: list[Input], out: Path, format: Format) -> dict[Input, Path]:
    """Output file of each image: none is an input image, and no two are the same."""
    taken = {image.path.resolve() for image in inputs}
    files = {}
    for image in inputs:
        stem, number = image.relative.with_suffix(""), 1
        file = out / f"{stem}.{format.value}"
        while file.resolve() in taken:
            number += 1
            file = out / f"{stem}-{number}.{format.value}"
        taken.add(file.resolve())
        files[image] = file
    return files


def _fit_facts(fit: Fit | None) -> dict[str, Any] | None:
    return asdict(fit) if fit else None


def _none_fits(fit: Fit | None) -> str:
    """The card's sentence if no class fits, else nothing."""
    return "" if fit is None or fit.fits else fit.sentence


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

    def predict_one(image: Input) -> None:
        found = lens.classify(image.path, framing.value, top_k)
        if as_json:
            classes = [asdict(prediction) for prediction in found.predictions]
            facts = {"path": str(image.path), "predictions": classes, "fit": _fit_facts(found.fit)}
            typer.echo(json.dumps(facts))
            return
        typer.echo(image.path)
        if note := _none_fits(found.fit):
            typer.echo(f"  {note}")
        for prediction in found.predictions:
            typer.echo(f"  {100 * prediction.score:5.1f} %  {prediction.label}")

    for_each(inputs, predict_one)
