"""``sge models``: list, show, download, import, verify and export models."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from sge.cli.console import emit, messages, say
from sge.cli.outputs import OverwriteOption, check_free
from sge.errors import CheckpointError, ChoiceError, SGEError
from sge.models import (
    DOWNLOADS,
    NOTICE,
    Entry,
    ExportedModel,
    Model,
    download_model,
    entries,
    import_weights,
    imported_notes,
    is_exported,
    load_model,
    load_torch_model,
    verify_model,
)

app = typer.Typer(help="List, show, download, import, verify and export models.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Name = Annotated[str, typer.Argument(help="A model's name; sge models list has them.")]


@dataclass(frozen=True)
class Summary:
    """One line of the list. Fields that only the weights tell are None if these cannot be loaded."""

    name: str
    title: str
    origin: str
    """``shipped``, ``imported`` or ``tuned``."""
    arch: str | None = None
    gates: str | None = None
    parameters: int | None = None
    sha256: str | None = None
    error: str | None = None
    """Why the model cannot be loaded, or None."""


def summarize(entry: Entry) -> Summary:
    """Loads a model for its line in the list. A model that cannot be used has a line too, with the error."""
    try:
        model = load_model(entry.name)
    except (SGEError, MemoryError) as error:
        title = entry.card.title if entry.card else entry.name
        return Summary(entry.name, title, entry.origin, error=str(error))
    card = model.card
    return Summary(
        entry.name, card.title, entry.origin, model.arch, card.gates, model.parameters, card.sha256
    )


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the models that can be used: shipped, imported and tuned."""
    models = [summarize(entry) for entry in entries().values()]
    if as_json:
        _print_json([asdict(model) for model in models])
        return
    table = Table()
    # Names are never cut, because the other commands take them.
    table.add_column("Name", no_wrap=True, overflow="ignore")
    for column in ("Title", "Gates", "Parameters", "Origin"):
        table.add_column(column)
    for model in models:
        parameters = "" if model.parameters is None else f"{model.parameters:,}"
        table.add_row(model.name, model.title, model.gates or "unusable", parameters, model.origin)
    emit(table)
    for model in models:
        if model.error:
            say(f"{model.name}: {model.error}")
    if missing := [name for name in DOWNLOADS if name not in {model.name for model in models}]:
        say(f"Can be downloaded with sge models download: {', '.join(missing)}")


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show a model's card, its input and its blocks."""
    model = load_model(name)
    facts = _facts(model)
    if as_json:
        _print_json(facts)
        return
    table = Table(show_header=False, box=None)
    for key in ("title", "sentence", "gates", "data", "licence", "source", "sha256", "arch"):
        table.add_row(key, str(facts[key]))
    if model.card.opens_service:
        table.add_row("default", model.card.opens_service)
    for figure in model.card.accuracy:
        table.add_row("accuracy", ", ".join(f"{key} {value}" for key, value in figure.items()))
    table.add_row("parameters", f"{model.parameters:,}")
    if model.labels is not None:
        table.add_row(
            "classes",
            f"{len(model.labels)}: {', '.join(model.labels[:3])}{', ...' if len(model.labels) > 3 else ''}",
        )
    table.add_row("input", _input(model))
    for note in model.card.notes:
        table.add_row("note", note)
    blocks = Table("Block", "Channels", "Groups", "Inactive")
    for block in facts["blocks"]:
        blocks.add_row(*("" if value is None else str(value) for value in block.values()))
    emit(table)
    emit(blocks)


def _input(model: Model | ExportedModel) -> str:
    pre = model.preprocess
    mean, std = (" ".join(f"{value:.3f}" for value in triple) for triple in (pre.mean, pre.std))
    return f"{pre.size} px ({pre.interpolation}, from {pre.resize} px), mean {mean}, std {std}"


def _facts(model: Model | ExportedModel) -> dict[str, Any]:
    return {
        "name": model.name,
        **model.card.to_dict(),
        "arch": model.arch,
        "parameters": model.parameters,
        "labels": model.labels,
        "preprocess": asdict(model.preprocess),
        "blocks": _blocks(model),
    } | ({"check": model.check} if isinstance(model, ExportedModel) else {})


def _blocks(model: Model | ExportedModel) -> list[dict[str, Any]]:
    if isinstance(model, ExportedModel):
        found: list[tuple[str, int | None, int, int]] = [
            (one.name, one.channels or None, one.groups, one.inactive) for one in model.blocks
        ]
    else:
        from sge.nn import inactive_groups, spatial_blocks  # It imports torch.

        modules = spatial_blocks(model.network).items()
        found = [(name, one.channels, one.groups, inactive_groups(one)) for name, one in modules]
    return [dict(zip(("name", "channels", "groups", "inactive"), values, strict=True)) for values in found]


@app.command()
def download(name: Annotated[str, typer.Argument(help=f"One of: {', '.join(DOWNLOADS)}.")]) -> None:
    """Download the weights that the paper's authors publish on Google Drive."""
    if name in DOWNLOADS:
        say(NOTICE)
    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()]
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        path = download_model(
            name, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    emit(f"{name} is ready: {path}")


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="A checkpoint of torch.save, a safetensors file or an exported file, under any name."
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Its name here; its architecture's by default.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="File with the classes' names: one a line, or JSON (list or numbered names)."),
    ] = None,
    preprocess: Annotated[
        str | None,
        typer.Option(help="The network's input as JSON, or a JSON file: size, resize, mean, std, ..."),
    ] = None,
    take: Annotated[
        str | None,
        typer.Option(help="Which weights of several in the file: plain, ema, or a name such as model_ema."),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="Whose weights they are: timm:NAME, torchvision:NAME or sge:NAME, with options as ?in_chans=1."
        ),
    ] = None,
    groups: Annotated[
        int | None, typer.Option(min=1, help="With --network: largest number of groups of a block.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="With --network: a module that gets SGE; may be repeated.")
    ] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=OUTPUT",
            help="Of an ONNX file of others: a block's name and the output with its mask; may be repeated.",
        ),
    ] = None,
) -> None:
    """Check a weights file completely and add it to the models under a name; an earlier import is replaced."""
    path = import_weights(
        file,
        name,
        labels=labels,
        preprocess=preprocess,
        weights_key=take,
        network=network,
        groups=groups,
        where=where or None,
        maps=maps or None,
    )
    for note in imported_notes(path):
        say(f"Note: {note}")
    emit(f"{path.stem} is ready: {path}")


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="A model's name or weights file.")],
    file: Annotated[
        Path | None, typer.Option("--output", "-o", help="The ONNX file; NAME.onnx here by default.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="The only image size that the file takes, as 224 or 224x320 (height x width); any by default."
        ),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write a model as one ONNX file that runs without PyTorch, and check that it computes the same."""
    from sge.models import export_onnx  # It imports torch, which the other commands do not need.

    sides = _sides(size)
    model = load_torch_model(name)
    path = file or Path(f"{model.name}.onnx")
    check_free(path, is_exported, overwrite)
    exported = export_onnx(model, path, size=sides)
    maps = max(exported.check["similarity"].values())
    results = "".join(f"{result} {exported.check[result]:.1e} (relative), " for result in exported.results)
    emit(f"{model.name} is ready: {path}")
    say(f"Largest difference to PyTorch: {results}similarity {maps:.1e} (absolute).")


def _sides(text: str | None) -> tuple[int, int] | None:
    """Height and width that an option states."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,6})(?:x([0-9]{1,6}))?", text.strip())
    if match is None:
        raise ChoiceError(f"--size is {text[:80]!r}; write a side as 224, or height x width as 224x320.")
    return int(match[1]), int(match[2] or match[1])


@app.command()
def verify(name: Name, as_json: AsJson = False) -> None:
    """Compare a model's file with the hash that was recorded when it was made."""
    try:
        verified = verify_model(name)
    except CheckpointError as error:
        if as_json:
            _print_json({"name": name, "ok": False, "error": str(error)})
        raise
    if as_json:
        _print_json({**asdict(verified), "ok": True})
        return
    emit(f"{name} is whole: its content agrees with {verified.against}.")
    emit(f"{verified.sha256}  {verified.file}")


def _print_json(value: object) -> None:
    emit(json.dumps(value, indent=2))
