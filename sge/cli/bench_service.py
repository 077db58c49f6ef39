"""``sge bench service``: the service beside other servers, and beside what the machine could do without HTTP."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from sge.bench import ServiceBench, ServiceResult, measure_service
from sge.cli.console import emit, say
from sge.cli.options import ModelOption
from sge.models import DEFAULT_MODEL


def service(
    model: ModelOption = DEFAULT_MODEL,
    images: Annotated[
        Path | None, typer.Option(help="Folder of JPEG files; by default the page's samples.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--contender",
            help="Measure only this one, may be repeated: ours, ours-torch, ours-openvino, fastapi-onnx, "
            "fastapi-torch, litserve, mosec, ray. ours-openvino is measured only if it is named.",
        ),
    ] = None,
    clients: Annotated[
        str, typer.Option(help="Clients of the closed loops, numbers separated by commas.")
    ] = "1,4,16",
    shares: Annotated[
        str, typer.Option(help="Rates of the open loops, percent of each server's capacity; empty for none.")
    ] = "50,80,95",
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of one load, seconds.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often each server gets every load, in turn.")] = 3,
    threads: Annotated[
        int, typer.Option(min=0, help="Images that a server computes at a time; 0: one for each core.")
    ] = 0,
    port: Annotated[int, typer.Option(min=1024, max=65_000, help="First port that is used.")] = 8420,
    as_json: Annotated[bool, typer.Option("--json", help="Everything that was measured, as JSON.")] = False,
) -> None:
    """Load this service and other servers in turn, with the same weights and images on the same cores.

    Each server is paused while another is measured. The ceiling decodes, frames and computes the same images without
    HTTP, one process a thread. A server whose package is not installed is named as skipped.
    """
    bench = ServiceBench(
        model,
        images,
        tuple(only or ()),
        _numbers("--clients", clients, 1),
        tuple(percent / 100 for percent in _numbers("--shares", shares, 1)),
        seconds,
        rounds,
        threads or os.cpu_count() or 1,
        port,
    )
    result = measure_service(bench, say)
    if as_json:
        emit(json.dumps(result.to_dict(), indent=1))
        return
    for table in _tables(result):
        emit(table)
    for name, reason in result.skipped.items():
        say(f"{name} was skipped: {reason}")


def _numbers(option: str, text: str, least: int) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        numbers = (least - 1,)
    if any(number < least for number in numbers) or (option == "--clients" and not numbers):
        raise typer.BadParameter(
            f"{text!r} is no list of numbers from {least}, such as 1,4,16.", param_hint=option
        )
    return numbers


def _tables(result: ServiceResult) -> list[Table]:
    facts = result.to_dict()
    machine = facts["machine"]
    about = f"{machine['model']}, {machine['threads']} threads, {machine['rounds']} rounds of {machine['seconds']:g} s"
    say(about)
    tables = [_ceilings(facts)] if facts["ceilings"] else []
    if any(line["closed"] for line in facts["lines"]):
        tables.append(_loads(facts, "closed", "clients"))
    if any(line["open"] for line in facts["lines"]):
        tables.append(_loads(facts, "open", "share of capacity"))
    goals = Table(title="Goals")
    for heading in ("", "measured", "met"):
        goals.add_column(heading)
    for goal in facts["goals"]:
        goals.add_row(goal["text"], goal["value"], "yes" if goal["met"] else "no")
    return [*tables, goals]


def _ceilings(facts: dict[str, object]) -> Table:
    table = Table(title="Ceiling without HTTP, images a second")
    ceilings = facts["ceilings"]
    assert isinstance(ceilings, dict)
    clients = sorted({int(number) for runs in ceilings.values() for number in runs})
    table.add_column("")
    for number in clients:
        table.add_column(f"{number} clients", justify="right")
    for name, runs in ceilings.items():
        table.add_row(name, *(_shown(runs.get(str(number))) for number in clients))
    return table


def _loads(facts: dict[str, object], which: str, load: str) -> Table:
    table = Table(title="Closed loop" if which == "closed" else "Open loop")
    headings = (
        "",
        load,
        "answers /s",
        "of ceiling",
        "CPU of ceiling",
        "p50 ms",
        "p95 ms",
        "CPU ms",
        "refused",
        "failed",
        "MB",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if not heading else "right")
    lines = facts["lines"]
    assert isinstance(lines, list)
    for line in lines:
        for number, cell in line[which].items():
            share = _shown(cell["share_of_ceiling"]) if which == "closed" else ""
            cpu = _shown(cell["cpu_share_of_ceiling"]) if which == "closed" else ""
            values = (cell["rate"], share, cpu, cell["p50_ms"], cell["p95_ms"], cell["cpu_ms"])
            counts = (cell["refused"], cell["failed"], line["memory_mb"])
            table.add_row(line["name"], number, *map(_shown, values), *map(_shown, counts))
    return table


def _shown(value: object) -> str:
    return "" if value is None else str(value)
