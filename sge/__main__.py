"""The composition root: the ``sge`` command, made of the library's commands and the service's.

This is the only module that knows both the command line and the service. The service is the folder ``app`` beside
``sge`` in a checkout; a wheel holds it as ``sge._app``, so that the wheel installs a single top-level package.
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from sge.cli import LIBRARY_COMMANDS, LazyCommand, LazyGroup
from sge.errors import SGEError

SERVICE = "sge._app" if (Path(__file__).resolve().parent / "_app").is_dir() else "app"

COMMANDS = (
    LazyCommand("serve", f"{SERVICE}.command", "serve", "Serve the page and the REST API.", extra="app"),
    *LIBRARY_COMMANDS,
)


class _Commands(LazyGroup):
    table = COMMANDS


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _sge() -> None:
    """See what an attention network looks at."""


def main() -> None:
    """Runs the command line; an error that a user can cause is a sentence on stderr and exit code 1."""
    try:
        app(prog_name="sge")
    except SGEError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
