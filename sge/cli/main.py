"""The ``sge`` command."""

from __future__ import annotations

import sys

import typer

from sge.cli import analyze, bench, evaluate, models, parts, serve, train, tune_gates
from sge.errors import SGEError

app = typer.Typer(
    help="See what an attention network looks at.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("analyze")(analyze.analyze)
app.command("predict")(analyze.predict)
app.command("eval")(evaluate.evaluate_sets)
app.command("train")(train.train_network)
app.command("tune-gates")(tune_gates.tune_gates_of_model)
app.add_typer(models.app, name="models")
app.add_typer(parts.app, name="parts")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Entry point; a user's error is a sentence on stderr and exit code 1."""
    try:
        app()
    except SGEError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
