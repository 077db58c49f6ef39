"""``sge bench soak``: whether the service's memory stays where it is."""

from __future__ import annotations

import json
import signal
import sys
from typing import Annotated

import typer
from rich.table import Table

from sge.bench import SoakBench, SoakResult, measure_soak
from sge.cli.console import emit, say
from sge.cli.options import ModelOption
from sge.models import DEFAULT_MODEL


def soak(
    model: ModelOption = DEFAULT_MODEL,
    requests: Annotated[int, typer.Option(min=2, help="Number of mixed requests.")] = 5000,
    early: Annotated[
        int, typer.Option(min=1, help="After so many requests the memory is measured first.")
    ] = 500,
    clients: Annotated[int, typer.Option(min=1, max=200, help="Clients at a time.")] = 8,
    burst: Annotated[
        int, typer.Option(min=0, max=500, help="Overlays of 12 million pixels at once, after that; 0: none.")
    ] = 40,
    settle: Annotated[
        float, typer.Option(min=0, help="Seconds in which memory may be given back before it is measured.")
    ] = 10.0,
    port: Annotated[int, typer.Option(min=1024, max=65_000, help="Port that the service listens on.")] = 8440,
    as_json: Annotated[bool, typer.Option("--json", help="Everything that was measured, as JSON.")] = False,
) -> None:
    """Give the service thousands of mixed requests and a burst of large ones, and compare its memory.

    Memory is the proportional set size of the service and of its processes. The service takes its settings from the
    SGE_* variables. Exit code 1: a goal was missed.
    """
    if early >= requests:
        raise typer.BadParameter(f"{early} is not below --requests {requests}.", param_hint="--early")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and end the service first
    result = measure_soak(SoakBench(model, requests, early, clients, burst, settle, port), say)
    if as_json:
        emit(json.dumps(result.to_dict(), indent=1))
    else:
        emit(_memory(result))
        emit(_goals(result))
        for answer, number in sorted(result.wrong.items()):
            say(f"wrong: {answer} ({number} times)")
    if not all(met for _, _, met in result.goals()):
        raise typer.Exit(1)


def _memory(result: SoakResult) -> Table:
    table = Table(title=f"{result.requests} requests in {result.seconds:.0f} s, {result.refused} refused")
    table.add_column("memory")
    table.add_column("MB", justify="right")
    rows = {
        "after the first requests": result.early_bytes,
        "after all requests": result.late_bytes,
        f"at most in the burst ({result.burst_answered} answered)": result.peak_bytes,
        "after the burst": result.after_burst_bytes,
    }
    for name, size in rows.items():
        table.add_row(name, f"{size / 1e6:.0f}" if size else "")
    return table


def _goals(result: SoakResult) -> Table:
    table = Table(title="Goals")
    for heading in ("", "measured", "met"):
        table.add_column(heading)
    for text, value, met in result.goals():
        table.add_row(text, value, "yes" if met else "no")
    return table
