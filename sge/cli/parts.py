"""``sge parts``: fit a finder of noses and eyes to labelled images, find them, measure how well."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track
from rich.table import Table

from sge.cli.console import messages, results
from sge.cli.inputs import Input, find, for_each
from sge.cli.options import AsJson, DeviceOption, ModelOption, Paths
from sge.datasets.labelled import find_images
from sge.errors import FinderError
from sge.lens.lens import Lens
from sge.models.names import DEFAULT_MODEL
from sge.models.registry import load_model
from sge.parts.evaluate import FOLDS, Measured, best_group, evaluate_parts, few_shot_hit_rate
from sge.parts.find import find_parts
from sge.parts.finder import Finder
from sge.parts.fit import Example, finder_of, fit_readout, see
from sge.parts.labels import Labelled, read_labels, without_parts

app = typer.Typer(help="Find noses and eyes, and teach it from a few images.", no_args_is_help=True)

Labels = Annotated[
    Path, typer.Argument(help='JSON: {"images": [{"file", "nose", "left_eye", "right_eye"}]}.')
]
Nothing = Annotated[
    Path | None, typer.Option("--without", help="Folder of images that show neither nose nor eye.")
]


def _images(labels: Path, without: Path | None) -> list[Labelled]:
    images = read_labels(labels)
    if without is not None:
        files = [file.path for file in find_images(without)] if without.is_dir() else []
        if not files:
            raise FinderError(f"There are no images in {without}. Name a folder that holds some.")
        images += [without_parts(file) for file in files]
    return images


def _track(examples: list[Example]) -> Iterable[Example]:
    return track(
        examples, description="images", console=messages, transient=True, disable=not messages.is_terminal
    )


@app.command()
def fit(
    labels: Labels,
    out: Annotated[Path, typer.Option("--out", "-o", help="The finder's file, NAME.parts.json.")],
    without: Nothing = None,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    measure: Annotated[
        bool, typer.Option(help="Cross-validate, and write the figures into the file.")
    ] = True,
) -> None:
    """Fit a finder to labelled images; the network learns nothing."""
    images = _images(labels, without)
    lens = Lens(load_model(model, finder=False), device)
    sights = see(lens, [one.example for one in images], _track)
    known = sum(any(one.example.points.values()) for one in images)
    finder = finder_of(lens, sights, f"{known} images that show a part, {len(images) - known} that show none")
    if measure and known >= 2 * FOLDS:
        rows = evaluate_parts(sights, [one.unsure for one in images])
        protocol = f"{FOLDS}-fold cross-validation over images, whole framing, distance / shorter side"
        finder = replace(finder, measured=[{"protocol": protocol} | _rounded(asdict(row)) for row in rows])
        _print(rows, model)
    finder.save(out)
    typer.echo(
        f"{out}: " + ", ".join(f"{part} of {len(mix.terms)} groups" for part, mix in finder.readouts.items())
    )


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
    wanted = loaded.finder if finder is None else Finder.load(finder)
    if wanted is None:
        raise FinderError(f"{model} has no part finder. Fit one (sge parts fit) and name it: --finder.")
    wanted.check_permutation(loaded.permutations)
    lens = Lens(loaded, device)

    def work(one: Input) -> None:
        parts = find_parts(lens.analyze(one.path), wanted)
        if as_json:
            record = {
                "path": str(one.path),
                "parts": [asdict(part) | {"box": list(part.box)} for part in parts],
            }
            typer.echo(json.dumps(record))
            return
        typer.echo(str(one.path) if parts else f"{one.path}\tno face found")
        for part in parts:
            typer.echo(f"  {part.score:.3f}  {part.name}\t{part.x:.0f}\t{part.y:.0f}")

    for_each(inputs, work)


@app.command()
def measure(
    labels: Labels,
    without: Nothing = None,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    shots: Annotated[
        int, typer.Option(min=1, help="Also fit to only so many images; mean of ten draws.")
    ] = 5,
    single: Annotated[bool, typer.Option("--single", help="The best single group instead of a mix.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Cross-validate finders on labelled images: how near, how often missed, how many false alarms."""
    images = _images(labels, without)
    lens = Lens(load_model(model, finder=False), device)
    sights = see(lens, [one.example for one in images], _track)
    rows = evaluate_parts(sights, [one.unsure for one in images], fit=best_group if single else fit_readout)
    scarce = {} if single else few_shot_hit_rate(sights, shots)
    if as_json:
        typer.echo(
            json.dumps({"model": model, "measured": [asdict(row) for row in rows], f"from_{shots}": scarce})
        )
        return
    _print(rows, model)
    for part, hits in scarce.items():
        values = ", ".join(f"{value:.3f} within {limit}" for limit, value in hits.items())
        results.print(f"{part} from {shots} labelled images: {values}", highlight=False)


def _print(rows: list[Measured], model: str) -> None:
    columns = (
        "part",
        "images",
        "shown",
        *rows[0].hits,
        "absent",
        "AUC",
        "missed",
        "false alarms",
        "groups",
    )
    table = Table(
        *columns, title=f"{model}, {FOLDS}-fold cross-validation, share of images within a distance"
    )
    for row in rows:
        hits = [f"{rate.value:.3f} ({rate.low:.2f}-{rate.high:.2f})" for rate in row.hits.values()]
        rates = ["" if value is None else f"{value:.3f}" for value in (row.auc, row.missed, row.false_alarms)]
        table.add_row(
            row.part, row.images, str(row.shown), *hits, str(row.absent), *rates, f"{row.groups:.0f}"
        )
    results.print(table)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value
