"""``sge parts``: fit a finder of noses and eyes to labelled images, find parts, evaluate finders."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sge.analysis import UNSURE
from sge.cli.accounts import say_broken, say_skipped
from sge.cli.console import Notes, emit, messages
from sge.cli.inputs import Input, find, for_each
from sge.cli.options import AsJson, BackendOption, DeviceOption, ModelOption, PartsBy, Paths, loaded_model
from sge.cli.outputs import OverwriteOption, check_free, writable_folder
from sge.cli.part_detectors import evaluate_faces_, fit_detectors_, is_finder
from sge.datasets import Listing, list_images
from sge.errors import FinderError, ImageError
from sge.lens import Example, Lens, Wanted, analyze_examples, finder_of_maps
from sge.models import DEFAULT_MODEL
from sge.parts import (
    FOLDS,
    Finder,
    LabelledImage,
    LabelledMaps,
    Part,
    PartEvaluation,
    best_group,
    evaluate_parts,
    few_shot_hit_rate,
    fit_readout,
    read_labels,
    without_parts,
)
from sge.text import printable

# Modules that import torch are imported by the commands, so that the help appears at once.

app = typer.Typer(help="Find noses and eyes; fit a finder to a few labelled images.", no_args_is_help=True)

app.command("fit-detectors")(fit_detectors_)
app.command("evaluate-faces")(evaluate_faces_)

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
    backend: BackendOption = "auto",
    measure: Annotated[
        bool, typer.Option(help="Cross-validate, and write the figures into the file.")
    ] = True,
    overwrite: OverwriteOption = False,
) -> None:
    """Fit a finder to labelled images; the network is not trained."""
    writable_folder(out.absolute().parent, "--out")
    check_free(out, is_finder, overwrite)
    labelled, missing = _labelled(labels, without)
    lens, maps, labelled, broken = _analyzed(model, device, backend, labelled)
    shown = sum(any(image.points.values()) for image in labelled)
    fitted_on = f"{shown} images that show a part, {len(labelled) - shown} that show none"
    finder = finder_of_maps(lens, maps, fitted_on)
    if measure and shown >= 2 * FOLDS:
        rows = evaluate_parts(maps, [image.unsure for image in labelled])
        protocol = f"{FOLDS}-fold cross-validation over images, whole framing, distance / shorter side"
        finder = replace(finder, measured=[{"protocol": protocol} | _rounded(asdict(row)) for row in rows])
        if rows:
            _print(rows, model)
    finder.save(out)
    sizes = [f"{part} of {len(readout.terms)} groups" for part, readout in finder.readouts.items()]
    emit(f"{out}: {', '.join(sizes)}")
    _end(len(labelled), missing | broken)


@app.command("find")
def find_(
    paths: Paths,
    finder: Annotated[Path | None, typer.Option(help="A finder's file; the model's own by default.")] = None,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    backend: BackendOption = "auto",
    by: PartsBy = "mix",
    as_json: AsJson = False,
) -> None:
    """Print the noses and eyes of every image, in pixels, with their faces; unsure ones are marked."""
    inputs = find(paths)
    loaded = loaded_model(model, finder=finder is None)
    if finder is not None:
        loaded.finder = Finder.load(finder)
        loaded.finder.check_permutation(loaded.permutations)
    if loaded.finder is None:
        raise FinderError(f"{model} has no part finder. Fit one (sge parts fit) and name it: --finder.")
    lens, nothing_found = Lens(loaded, device, backend=backend), loaded.finder.nothing_found
    wanted = Wanted(blocks=(), masks=False, similarity=False, energy=False, parts_by=by)
    notes = Notes(loaded.card.notes)

    def print_parts(image: Input) -> None:
        analysis = lens.analyze(image.decode(), wanted=wanted)
        notes.say(analysis.model.notes)
        parts = analysis.parts
        if as_json:
            records = [asdict(part) | {"box": list(part.box)} for part in parts]
            emit(json.dumps({"path": str(image.path), "parts": records}))
            return
        path = printable(str(image.path))
        lines = [path if parts else f"{path}\t{nothing_found}"]
        lines += map(_line, parts)
        emit("\n".join(lines))

    for_each(inputs, print_parts)


def _line(part: Part) -> str:
    """Confidence, name, position and face of a part, and that it is unsure."""
    columns = [part.name, f"{part.x:.0f}", f"{part.y:.0f}", f"face {part.face + 1}"]
    return f"  {part.score:.3f}  " + "\t".join(columns if part.sure else [*columns, UNSURE])


@app.command()
def evaluate(
    labels: Labels,
    without: Without = None,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    backend: BackendOption = "auto",
    shots: Annotated[
        int, typer.Option(min=1, help="Also fit to this number of images; mean of ten draws.")
    ] = 5,
    single: Annotated[
        bool, typer.Option("--single", help="The best single group instead of a readout of several.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Cross-validate finders on labelled images: hits by distance, missed parts, false alarms."""
    labelled, missing = _labelled(labels, without)
    _, maps, labelled, broken = _analyzed(model, device, backend, labelled)
    unsure = [image.unsure for image in labelled]
    rows = evaluate_parts(maps, unsure, fit=best_group if single else fit_readout)
    if not rows:
        raise FinderError(
            f"Of {len(labelled)} images too few show a part: of each part some are held out, and the others are fitted. "
            f"Label at least {2 * FOLDS} images that show it."
        )
    few_shot = {} if single else few_shot_hit_rate(maps, shots)
    if as_json:
        record = {"model": model, "measured": [asdict(row) for row in rows], f"from_{shots}": few_shot}
        emit(json.dumps(record))
    else:
        _print(rows, model)
        for part, hits in few_shot.items():
            values = ", ".join(f"{value:.3f} within {limit}" for limit, value in hits.items())
            emit(f"{part} from {shots} labelled images: {values}")
    _end(len(labelled), missing | broken)


def _labelled(labels: Path, without: Path | None) -> tuple[list[LabelledImage], dict[str, str]]:
    """The labelled images, and what cannot be listed of the folder without parts."""
    labelled = read_labels(labels)
    if without is None:
        return labelled, {}
    listing = list_images(without) if os.path.isdir(without) else Listing()
    if not listing.files:
        raise FinderError(f"There are no images in {without}. Name a folder that holds some.")
    say_skipped(listing.skipped)
    labelled += [without_parts(file.path) for file in listing.files]
    return labelled, {str(entry.path): f"{entry.reason}." for entry in listing.unreadable}


def _analyzed(
    model: str, device: str, backend: str, labelled: list[LabelledImage]
) -> tuple[Lens, list[LabelledMaps], list[LabelledImage], dict[str, str]]:
    """The lens, the maps of the images that can be read, these images, and the others with the reasons."""
    lens = Lens(loaded_model(model, finder=False), device, backend=backend)
    readable: list[LabelledImage] = []
    broken: dict[str, str] = {}

    def decoded(examples: list[Example]) -> Iterator[Example]:
        for image, example in zip(labelled, _track(examples), strict=True):
            try:
                yield replace(example, image=Input(image.path, Path(image.path.name)).decode())
            except ImageError as error:
                broken[str(image.path)] = str(error)
            else:
                readable.append(image)

    maps = analyze_examples(lens, [Example.from_label(image) for image in labelled], decoded)
    if not any(any(image.points.values()) for image in readable):
        say_broken(len(readable), broken)
        raise FinderError(
            "None of the images that show a part can be read. Mend the files that are named above."
        )
    return lens, maps, readable, broken


def _end(done: int, broken: dict[str, str]) -> None:
    """Names what could not be read; the exit status is then 1."""
    say_broken(done, broken)
    if broken:
        raise typer.Exit(1)


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
    emit(table)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value
