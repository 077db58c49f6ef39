"""``sge analyze`` and ``sge predict``: one record, or one list of classes, for each image."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sge.analysis import Analysis, Box, Classification, Fit, Prediction, is_record
from sge.cli.console import Notes, ResultsClosedError, emit, say
from sge.cli.inputs import Input, find
from sge.cli.options import (
    AsJson,
    BackendOption,
    DeviceOption,
    FramingChoice,
    FramingOption,
    ModelOption,
    PartsBy,
    Paths,
    TopK,
    class_index,
    loaded_model,
)
from sge.cli.outputs import OverwriteOption, check_free, record_files, writable_folder
from sge.cli.passes import passes_of
from sge.cli.pipeline import Steps, without_pixels, work_through
from sge.images import Frame
from sge.lens import Lens, Wanted
from sge.models import DEFAULT_MODEL
from sge.text import printable

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
    parts_by: PartsBy = "mix",
    device: DeviceOption = "auto",
    backend: BackendOption = "auto",
    overwrite: OverwriteOption = False,
    as_json: AsJson = False,
) -> None:
    """Write predictions and masks of every image: one record an image, in the same subfolders as the images.

    An earlier record is replaced; any other file is left as it is, and its image counts as failed.
    """
    inputs = find(paths)
    writable_folder(out, "--out")
    files = record_files(inputs, out, format.value)
    lens = Lens(loaded_model(model), device, backend=backend, frozen=True)
    notes = Notes(lens.model.card.notes)
    index = None if target in (None, PREDICTED) else class_index(lens, str(target))

    # Only these draw the image itself; of all others the pixels are dropped once they are framed.
    draws = format in (Format.HTML, Format.PNG)

    def read(image: Input) -> Frame:
        check_free(files[image], is_record, overwrite)
        frame = lens.frame(image.read(), framing.value)
        return frame if draws else without_pixels(frame)

    def compute(frames: list[Frame]) -> list[Analysis]:
        analyses = lens.analyze_frames(frames, top_k, Wanted(parts_by=parts_by))
        if target is None:
            return analyses
        effects = [lens.attribute_frame(frame, index) for frame in frames]
        return [replace(one, attribution=effect) for one, effect in zip(analyses, effects, strict=True)]

    def write(image: Input, analysis: Analysis) -> tuple[str, tuple[str, ...]]:
        analysis.save(files[image])
        return _line(image, files[image], analysis, as_json), analysis.model.notes

    def report(_image: Input, written: tuple[str, tuple[str, ...]]) -> None:
        line, found = written
        notes.say(found)
        with suppress(ResultsClosedError):  # The records are the result; the rest of them is still wanted.
            emit(line)

    with passes_of(lens, len(inputs)) as passes:
        work_through(inputs, Steps(read, compute, write, report), passes)
    say(f"{len(inputs)} records in {out}")


def _line(image: Input, file: Path, analysis: Analysis, as_json: bool) -> str:
    if as_json:
        classes = [asdict(prediction) for prediction in analysis.predictions]
        facts = {"path": str(image.path), "record": str(file), "predictions": classes}
        return json.dumps(
            facts | {"boxes": list(map(asdict, analysis.boxes)), "fit": _fit_facts(analysis.fit)}
        )
    best: list[Prediction | Box] = [*analysis.predictions, *analysis.boxes]
    named = [text for one in best[:1] for text in (one.label, f"{one.score:.3f}")]
    columns = [str(image.path), str(file), *(named or ["", ""]), _none_fits(analysis.fit)]
    return "\t".join(map(printable, columns)).rstrip("\t")


def _fit_facts(fit: Fit | None) -> dict[str, Any] | None:
    return asdict(fit) if fit else None


def _none_fits(fit: Fit | None) -> str:
    """The card's sentence if no class fits, else nothing."""
    return "" if fit is None or fit.fits else fit.sentence


def _rectangle(box: Box) -> str:
    """Left and upper side, width and height of a box, in whole pixels."""
    return f"at {box.x:.0f}, {box.y:.0f}, {box.width:.0f} x {box.height:.0f} px"


def predict(
    paths: Paths,
    model: ModelOption = DEFAULT_MODEL,
    framing: FramingOption = FramingChoice.WHOLE,
    top_k: TopK = 5,
    device: DeviceOption = "auto",
    backend: BackendOption = "auto",
    as_json: AsJson = False,
) -> None:
    """Print the classes of every image, or the boxes that a detector finds, best first."""
    inputs = find(paths)
    lens = Lens(loaded_model(model), device, backend=backend, frozen=True)

    def read(image: Input) -> Frame:
        return without_pixels(lens.frame(image.read(), framing.value))

    def compute(frames: list[Frame]) -> list[Classification]:
        return lens.classify_frames(frames, top_k)

    def describe(image: Input, found: Classification) -> str:
        if as_json:
            classes = [asdict(prediction) for prediction in found.predictions]
            facts = {"path": str(image.path), "predictions": classes, "fit": _fit_facts(found.fit)}
            return json.dumps(facts | {"boxes": list(map(asdict, found.boxes))})
        lines = [printable(str(image.path))]
        if note := _none_fits(found.fit):
            lines.append(f"  {note}")
        lines += [f"  {100 * p.score:5.1f} %  {printable(p.label)}" for p in found.predictions]
        lines += [
            f"  {100 * one.score:5.1f} %  {printable(one.label)}  {_rectangle(one)}" for one in found.boxes
        ]
        if not found.predictions and not found.boxes:
            nothing = (
                "No boxes: the detector found nothing."
                if found.is_detector
                else "No classes: the model gives none."
            )
            lines += [f"  {printable(note)}" for note in (*found.notes, nothing)[: len(found.notes) or 1]]
        return "\n".join(lines)

    with passes_of(lens, len(inputs)) as passes:
        work_through(inputs, Steps(read, compute, describe, lambda _image, text: emit(text)), passes)
