"""``sge models``: what there is, what is known about it, and how more comes in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from sge.errors import CheckpointError
from sge.models.catalogue import model_names, origin, shipped_cards
from sge.models.download import DOWNLOADS, NOTICE, download_model
from sge.models.model import Model
from sge.models.registry import import_weights, load_model, verify_model
from sge.nn.blocks import inactive_groups
from sge.nn.capture import spatial_blocks

app = typer.Typer(help="List, look at, fetch, import and check models.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, for machines.")]
Name = Annotated[str, typer.Argument(help="A model's name; sge models list has them.")]


@dataclass(frozen=True)
class Summary:
    """A line of the list; what only the weights can tell is None where they cannot be loaded."""

    name: str
    title: str
    origin: str
    """shipped, imported or awakened."""
    arch: str | None = None
    gates: str | None = None
    parameters: int | None = None
    sha256: str | None = None
    error: str | None = None
    """Why it cannot be loaded."""


def summarise(name: str) -> Summary:
    """What a list says of one model; a damaged one is in the list too, with what is wrong with it.

    Raises:
        UnknownModelError: no such name; the message lists the names.
    """
    came = origin(name)
    try:
        model = load_model(name)
    except CheckpointError as error:
        title = shipped_cards()[name]["title"] if came == "shipped" else name
        return Summary(name, title, came, error=str(error))
    card = model.card
    return Summary(name, card.title, came, model.arch, card.gates, model.parameters, card.sha256)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the models that are here: shipped and imported."""
    models = [summarise(name) for name in model_names()]
    if as_json:
        _print_json([asdict(model) for model in models])
        return
    table = Table()
    # A name must come whole: it is what the other commands are given.
    table.add_column("Name", no_wrap=True, overflow="ignore")
    for column in ("Title", "Gates", "Parameters", "From"):
        table.add_column(column)
    for model in models:
        parameters = "" if model.parameters is None else f"{model.parameters:,}"
        table.add_row(model.name, model.title, model.gates or "damaged", parameters, model.origin)
    _out().print(table)
    for model in models:
        if model.error:
            _err().print(f"{model.name}: {model.error}", soft_wrap=True)
    if missing := [name for name in DOWNLOADS if name not in {model.name for model in models}]:
        _err().print(f"Can be fetched with sge models download: {', '.join(missing)}", soft_wrap=True)


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
        table.add_row("opens", model.card.opens_service)
    for figure in model.card.accuracy:
        table.add_row("accuracy", ", ".join(f"{key} {value}" for key, value in figure.items()))
    table.add_row("parameters", f"{model.parameters:,}")
    table.add_row("classes", f"{len(model.labels)}: {', '.join(model.labels[:3])}, ...")
    table.add_row("input", _input(model))
    blocks = Table("Block", "Channels", "Groups", "Inactive")
    for block in facts["blocks"]:
        blocks.add_row(*(str(value) for value in block.values()))
    _out().print(table, blocks)


def _input(model: Model) -> str:
    pre = model.preprocess
    mean, std = (" ".join(f"{value:.3f}" for value in triple) for triple in (pre.mean, pre.std))
    return f"{pre.size} px ({pre.interpolation}, from {pre.resize} px), mean {mean}, std {std}"


def _facts(model: Model) -> dict[str, Any]:
    blocks = [
        {
            "name": name,
            "channels": module.channels,
            "groups": module.groups,
            "inactive": inactive_groups(module),
        }
        for name, module in spatial_blocks(model.network).items()
    ]
    return {
        "name": model.name,
        **model.card.to_dict(),
        "arch": model.arch,
        "parameters": model.parameters,
        "labels": model.labels,
        "preprocess": asdict(model.preprocess),
        "blocks": blocks,
    }


@app.command()
def download(name: Annotated[str, typer.Argument(help=f"One of: {', '.join(DOWNLOADS)}.")]) -> None:
    """Fetch the weights that the paper's authors have put on Google Drive."""
    if name in DOWNLOADS:
        _err().print(NOTICE, soft_wrap=True)
    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()]
    err = _err()
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        path = download_model(
            name, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    typer.echo(f"{name} is ready: {path}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A checkpoint (.pth.tar, .pth, .pt) or a .safetensors.")],
    name: Annotated[str | None, typer.Option(help="Its name here; its architecture's by default.")] = None,
) -> None:
    """Check a weights file whole and put it among the models, under a name; an earlier one is replaced."""
    path = import_weights(file, name)
    typer.echo(f"{path.stem} is ready: {path}")


@app.command()
def verify(name: Name, as_json: AsJson = False) -> None:
    """Compare a model's file with the hash that was taken when it was made."""
    try:
        verified = verify_model(name)
    except CheckpointError as error:
        if as_json:
            _print_json({"name": name, "ok": False, "error": str(error)})
        raise
    if as_json:
        _print_json({**asdict(verified), "ok": True})
        return
    typer.echo(f"{name} is whole: its content agrees with {verified.against}.")
    typer.echo(f"{verified.sha256}  {verified.file}")


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _out() -> Console:
    # No markup: titles and labels come from files, and one may hold square brackets.
    return Console(markup=False, highlight=False)


def _err() -> Console:
    return Console(stderr=True, markup=False, highlight=False)
