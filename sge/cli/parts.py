"""``sge parts``: fit a finder of noses and eyes to labelled images, find parts, evaluate finders."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sge.cli.console import messages, results
from sge.cli.inputs import Input, find, for_each
from sge.cli.options import AsJson, DeviceOption, ModelOption, Paths
from sge.datasets import find_images
from sge.errors import FinderError
from sge.lens import Example, Lens, analyze_examples, finder_of_maps
from sge.models import DEFAULT_MODEL, load_model
from sge.parts import (
    FOLDS,
    Finder,
    LabelledImage,
    LabelledMaps,
    PartEvaluation,
    best_group,
    evaluate_parts,
    few_shot_hit_rate,
    fit_readout,
    read_labels,
    without_parts,
)

# Modules that import torch are imported by the commands, so that the help appears at once.

app = typer.Typer(help="Find noses and eyes; fit a finder to a few labelled images.", no_args_is_help=True)

Labels = Annotated[
    Path, typer.Argument(help='JSON: {"images": [{"file", "nose", "left_eye", "right_eye"}]}.')
]
Without = Annotated[
    Path | None, typer.Option("--without", help="Folder of images that show neither nose nor eye.")
]


@app.command()
def fit(
    labels: Labels,
    out: Annotated[Path, typer.Option("--out", "-o", help="The finder's file, NAME.parts.json.")],
    without: Without = None,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    measure: Annotated[
        bool, typer.Option(help="Cross-validate, and write the figures into the file.")
    ] = True,
) -> None:
    """Fit a finder to labelled images; the network is not trained."""
    labelled = _labelled(labels, without)
    lens, maps = _analyzed(model, device, labelled)
    shown = sum(any(image.points.values()) for image in labelled)
    fitted_on = f"{shown} images that show a part, {len(labelled) - shown} that show none"
    finder = finder_of_maps(lens, maps, fitted_on)
    if measure and shown >= 2 * FOLDS:
        rows = evaluate_parts(maps, [image.unsure for image in labelled])
        protocol = f"{FOLDS}-fold cross-validation over images, whole framing, distance / shorter side"
        finder = replace(finder, measured=[{"protocol": protocol} | _rounded(asdict(row)) for row in rows])
        _print(rows, model)
    finder.save(out)
    sizes = [f"{part} of {len(readout.terms)} groups" for part, readout in finder.readouts.items()]
    typer.echo(f"{out}: {', '.join(sizes)}")


@app.command("find")
def find_(
    paths: Paths,
    finder: Annotated[Path | None, typer.Option(help="A finder's file; the model's own by default.")] = None,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    as_json: AsJson = False,
) -> None:
    """Print the noses and eyes of every image, in pixels."""
    inputs = find(paths)
    loaded = load_model(model, finder=finder is None)
    if finder is not None:
        loaded.finder = Finder.load(finder)
        loaded.finder.check_permutation(loaded.permutations)
    if loaded.finder is None:
        raise FinderError(f"{model} has no part finder. Fit one (sge parts fit) and name it: --finder.")
    lens, nothing_found = Lens(loaded, device), loaded.finder.nothing_found

    def print_parts(image: Input) -> None:
        parts = lens.analyze(image.path).parts
        if as_json:
            records = [asdict(part) | {"box": list(part.box)} for part in parts]
            typer.echo(json.dumps({"path": str(image.path), "parts": records}))
            return
        typer.echo(str(image.path) if parts else f"{image.path}\t{nothing_found}")
        for part in parts:
            typer.echo(f"  {part.score:.3f}  {part.name}\t{part.x:.0f}\t{part.y:.0f}")

    for_each(inputs, print_parts)


@app.command()
def evaluate(
    labels: Labels,
    without: Without = None,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    shots: Annotated[
        int, typer.Option(min=1, help="Also fit to this number of images; mean of ten draws.")
    ] = 5,
    single: Annotated[
        bool, typer.Option("--single", help="The best single group instead of a readout of several.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Cross-validate finders on labelled images: hits by distance, missed parts, false alarms."""
    labelled = _labelled(labels, without)
    _, maps = _analyzed(model, device, labelled)
    unsure = [image.unsure for image in labelled]
    rows = evaluate_parts(maps, unsure, fit=best_group if single else fit_readout)
    few_shot = {} if single else few_shot_hit_rate(maps, shots)
    if as_json:
        record = {"model": model, "measured": [asdict(row) for row in rows], f"from_{shots}": few_shot}
        typer.echo(json.dumps(record))
        return
    _print(rows, model)
    for part, hits in few_shot.items():
        values = ", ".join(f"{value:.3f} within {limit}" for limit, value in hits.items())
        results.print(f"{part} from {shots} labelled images: {values}", highlight=False)


def _labelled(labels: Path, without: Path | None) -> list[LabelledImage]:
    labelled = read_labels(labels)
    if without is not None:
        files = [file.path for file in find_images(without)] if without.is_dir() else []
        if not files:
            raise FinderError(f"There are no images in {without}. Name a folder that holds some.")
        labelled += [without_parts(file) for file in files]
    return labelled


def _analyzed(model: str, device: str, labelled: list[LabelledImage]) -> tuple[Lens, list[LabelledMaps]]:
    lens = Lens(load_model(model, finder=False), device)
    return lens, analyze_examples(lens, [Example.from_label(image) for image in labelled], _track)


def _track(examples: list[Example]) -> Iterable[Example]:
    from rich.progress import track

    hidden = not messages.is_terminal
    return track(examples, description="images", console=messages, transient=True, disable=hidden)


def _print(rows: list[PartEvaluation], model: str) -> None:
    from rich.table import Table

    title = f"{model}, {FOLDS}-fold cross-validation, share of images within a distance"
    rates = ("AUC", "missed", "false alarms")
    table = Table("part", "images", "shown", *rows[0].hits, "absent", *rates, "groups", title=title)
    for row in rows:
        hits = [f"{rate.value:.3f} ({rate.low:.2f}-{rate.high:.2f})" for rate in row.hits.values()]
        shares = [
            "" if value is None else f"{value:.3f}" for value in (row.auc, row.missed, row.false_alarms)
        ]
        counts = str(row.shown), str(row.absent), f"{row.groups:.0f}"
        table.add_row(row.part, row.images, counts[0], *hits, counts[1], *shares, counts[2])
    results.print(table)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value
